import '../../tokens/fonts.css';
import '../../tokens/tokens.css';

import { createRoot } from 'react-dom/client';

const root = document.getElementById('root');
if (root) createRoot(root).render(<main />);

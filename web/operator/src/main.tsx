import '../../tokens/fonts.css';
import '@coreui/coreui/dist/css/coreui.min.css';
import '../../tokens/tokens.css';
import './styles/coreui.css';
import './styles/base.css';

import { createHousecall } from '@housecall/sdk';
import { createRoot } from 'react-dom/client';

import { App } from './app/App';
import { startWords } from './app/i18n';
import { startTheme } from './app/theme';

startTheme();
await startWords();

// Operators share desks: nothing of a patient stays in the browser's storage.
const house = createHousecall({ kind: 'operator', cacheMessages: false });
void house.session.restore();

const root = document.getElementById('root');
if (root) createRoot(root).render(<App house={house} />);

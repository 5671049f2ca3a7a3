import '@ionic/react/css/core.css';
import '@ionic/react/css/structure.css';
import '../../tokens/fonts.css';
import '../../tokens/tokens.css';
import './styles/base.css';

import { setupIonicReact } from '@ionic/react';
import { createRoot } from 'react-dom/client';

import { App } from './app/App';
import { housecall } from './app/client';
import { startWords } from './app/i18n';
import { applyTheme } from './app/preferences';
import { keepQueries } from './app/queries';
import { registerWorker } from './app/worker';

applyTheme();
setupIonicReact({
  mode: 'ios',
  animated: globalThis.matchMedia?.('(prefers-reduced-motion: reduce)').matches !== true,
  swipeBackEnabled: false,
});
keepQueries();
registerWorker();
// For a partner's page around this one, and for measurements.
Object.assign(globalThis, { housecall });

void startWords().then(() => {
  const root = document.getElementById('root');
  if (root) createRoot(root).render(<App />);
});

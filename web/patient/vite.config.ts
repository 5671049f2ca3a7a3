import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

import { shell } from './shell';

export default defineConfig({
  base: '/',
  plugins: [react(), shell()],
  build: {
    target: 'es2022',
    sourcemap: false,
    rolldownOptions: {
      treeshake: {
        // Ionic's element modules only define; what is not imported by name is not needed.
        moduleSideEffects: (id) => !/@ionic\/core\/components\//.test(id),
      },
    },
  },
  server: {
    host: '127.0.0.1',
    proxy: {
      '/api': 'http://127.0.0.1:8080',
      '/rt': { target: 'ws://127.0.0.1:8080', ws: true },
    },
  },
});

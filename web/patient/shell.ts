/** Builds the service worker beside the app and tells it which files to keep. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import { transformWithOxc, type Plugin } from 'vite';

/** Ionic's parts that load on demand are small; maps and pictures of the store are not needed offline. */
const KEPT = /\.(js|css|woff2|svg|webmanifest)$/;
const PUBLIC = ['/', '/icon.svg', '/icon-192.png', '/manifest.webmanifest'];

export function shell(): Plugin {
  return {
    name: 'housecall-shell',
    apply: 'build',
    async generateBundle(_options, bundle) {
      const files = Object.keys(bundle).filter((name) => KEPT.test(name));
      const source = await readFile(new URL('./src/sw.ts', import.meta.url), 'utf8');
      const { code } = await transformWithOxc(source, 'sw.ts');
      const names = [...PUBLIC, ...files.map((name) => `/${name}`)];
      const build = createHash('sha256').update(JSON.stringify(names) + code).digest('hex').slice(0, 12);
      const head = `const SHELL = ${JSON.stringify(names)};\nconst BUILD = ${JSON.stringify(build)};\n`;
      // A classic script: module workers are not everywhere yet.
      this.emitFile({ type: 'asset', fileName: 'sw.js', source: head + code.replace(/^export \{\s*\};?$/m, '') });
    },
  };
}

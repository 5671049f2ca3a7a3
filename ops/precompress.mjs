// Writes a .br file beside every text file of a built web app, for the server to
// send as it is. Usage: node ops/precompress.mjs DIRECTORY
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';

const TEXT = new Set(['.html', '.js', '.css', '.svg', '.json', '.webmanifest', '.txt']);
// Below this a response fits one packet anyway.
const SMALLEST_BYTES = 1024;

for (const name of readdirSync(process.argv[2], { recursive: true })) {
  const path = join(process.argv[2], name);
  if (!TEXT.has(extname(path)) || statSync(path).size < SMALLEST_BYTES) continue;
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };
  writeFileSync(`${path}.br`, brotliCompressSync(readFileSync(path), options));
}

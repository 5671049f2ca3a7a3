// Debian's coturn on free ports of loopback, with a certificate of its own.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { eventually } from './browser.mjs';
import { freePort } from './house.mjs';

/** Shared with the house, which makes the credentials from it. */
const SECRET = 'a secret of this test alone';
const START_LIMIT_MS = 20_000;

/** Whether somebody accepts on the port. */
const answers = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (open) => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => done(true)).once('error', () => done(false));
  });

export class Coturn {
  static async start() {
    const directory = mkdtempSync(join(tmpdir(), 'housecall-turn-'));
    const coturn = new Coturn(directory, await freePort(), await freePort());
    await coturn.#launch();
    return coturn;
  }

  #child;
  #log = [];

  constructor(directory, port, tlsPort) {
    this.directory = directory;
    this.port = port;
    this.tlsPort = tlsPort;
  }

  /** The way a client may take: over UDP, TCP or TLS. */
  get urls() {
    return {
      udp: `turn:127.0.0.1:${this.port}?transport=udp`,
      tcp: `turn:127.0.0.1:${this.port}?transport=tcp`,
      tls: `turns:127.0.0.1:${this.tlsPort}?transport=tcp`,
    };
  }

  /** Settings of a house whose people use this server. */
  get env() {
    return {
      HOUSECALL_SIGNALING__TURN_URLS: JSON.stringify(Object.values(this.urls)),
      HOUSECALL_SIGNALING__TURN_SECRET: SECRET,
    };
  }

  async #launch() {
    const [key, certificate] = ['key.pem', 'certificate.pem'].map((name) => join(this.directory, name));
    execFileSync('openssl', [
      'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
      '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', certificate,
    ], { stdio: 'ignore' });
    const settings = {
      'listening-ip': '127.0.0.1',
      'relay-ip': '127.0.0.1',
      'listening-port': this.port,
      'tls-listening-port': this.tlsPort,
      realm: 'housecall.test',
      'static-auth-secret': SECRET,
      cert: certificate,
      pkey: key,
      pidfile: join(this.directory, 'pid'),
      userdb: join(this.directory, 'users'),
      'log-file': 'stdout',
    };
    // The relay is on loopback here, which coturn otherwise refuses to talk to.
    const flags = ['use-auth-secret', 'fingerprint', 'no-cli', 'no-dtls', 'allow-loopback-peers'];
    const lines = [...Object.entries(settings).map(([name, value]) => `${name}=${value}`), ...flags];
    const file = join(this.directory, 'turnserver.conf');
    writeFileSync(file, `${lines.join('\n')}\n`);
    this.#child = spawn('turnserver', ['-c', file], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      createInterface(stream).on('line', (line) => this.#log.push(line));
    }
    try {
      for (const port of [this.port, this.tlsPort]) {
        await eventually(() => answers(port), 'coturn listens', START_LIMIT_MS);
      }
    } catch (error) {
      await this.stop();
      throw new Error(`coturn: ${this.#log.join("\n")}`, { cause: error });
    }
  }

  async stop() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGTERM');
      await once(this.#child, 'exit');
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

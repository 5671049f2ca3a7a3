// A NATS server on a free port of loopback, for a house of several processes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';

import { eventually } from './browser.mjs';
import { freePort } from './house.mjs';

const answers = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

export class Nats {
  static async start() {
    const port = await freePort();
    const options = ['--addr', '127.0.0.1', '--port', String(port)];
    // Debian's package puts it where only root's PATH looks.
    const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
    const nats = new Nats(port, spawn('nats-server', options, { stdio: 'ignore', env }));
    await eventually(() => answers(port), 'NATS listens');
    return nats;
  }

  #child;

  constructor(port, child) {
    this.url = `nats://127.0.0.1:${port}`;
    this.#child = child;
  }

  async stop() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGTERM');
    await once(this.#child, 'exit');
  }
}

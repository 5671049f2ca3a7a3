// The real binary on its own data directory; ports are free ones on loopback.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const START_LIMIT_MS = 120_000;

/** Asks the system for a TCP port that is free now. */
export async function freePort() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

export class House {
  /**
   * Starts a house with demo people.
   * @param {{env?: Record<string, string>, roles?: string[]}} options
   *   `env`: settings as `HOUSECALL_*`; `roles`: of this process, all when absent.
   */
  static async start({ env = {}, roles = [] } = {}) {
    const directory = mkdtempSync(join(tmpdir(), 'housecall-e2e-'));
    // The database server may run as another user and must be able to walk in.
    chmodSync(directory, 0o755);
    const house = new House(directory, env, roles, await freePort());
    await house.#launch();
    return house;
  }

  #child;

  constructor(directory, env, roles, port) {
    this.directory = directory;
    this.env = env;
    this.roles = roles;
    // The port stays over a restart: pages reconnect to where they were loaded from.
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.log = [];
  }

  async #launch() {
    const binary = process.env.HOUSECALL_BIN;
    if (!binary) throw new Error('HOUSECALL_BIN must name the housecall binary');
    const options = [
      'serve', '--demo',
      '--listen', `127.0.0.1:${this.port}`,
      '--private-listen', '127.0.0.1:0',
      '--media-port', '0',
      '--data-dir', join(this.directory, 'var'),
      ...(this.roles.length > 0 ? ['--roles', this.roles.join(',')] : []),
    ];
    this.#child = spawn(binary, options, {
      cwd: this.directory,
      env: { ...process.env, ...this.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    createInterface(this.#child.stderr).on('line', (line) => this.log.push(line));
    await this.#ready();
  }

  #ready() {
    return new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`${why}\n${this.log.join('\n')}`));
      const timer = setTimeout(() => fail('housecall was not ready in time'), START_LIMIT_MS);
      this.#child.once('exit', (code) => fail(`housecall ended with ${code}`));
      createInterface(this.#child.stdout).on('line', (line) => {
        this.log.push(line);
        const metrics = /Metrics\s+(\S+)/.exec(line);
        if (metrics) this.metricsUrl = metrics[1];
        if (line.includes('Ctrl-C stops everything')) {
          clearTimeout(timer);
          this.#child.removeAllListeners('exit');
          resolve();
        }
      });
    });
  }

  /** `kill -9`, as a power cut for the process. */
  async kill() {
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  /** Tells the process to stop, and waits until it has. */
  async drain() {
    this.#child.kill('SIGTERM');
    await once(this.#child, 'exit');
    return this.#child.exitCode;
  }

  /** Starts again on the same data and the same address. */
  async restart() {
    await this.#launch();
  }

  async metrics() {
    return (await fetch(this.metricsUrl)).text();
  }

  /** Orderly stop; removes the data. */
  async stop() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGTERM');
      await once(this.#child, 'exit');
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

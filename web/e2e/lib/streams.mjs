// Publishers and players that are not ours: the WHIP and WHEP client of the standard's
// author in Chromium, and aiortc in a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { eventually } from './browser.mjs';
import { DEMO_PASSWORD } from './people.mjs';

const SCRIPT = fileURLToPath(new URL('../tools/stream.py', import.meta.url));
/** Debian's, which has the package. */
const PYTHON = process.env.STREAM_PYTHON ?? '/usr/bin/python3';

/** The REST interface as a signed-in operator. */
export class Desk {
  static async signIn(house, email) {
    const desk = new Desk(house.url, null);
    const body = { email, password: DEMO_PASSWORD, device: 'test' };
    const { access_token: token } = await desk.ask('POST', '/api/v1/auth/operator/login', body);
    return new Desk(house.url, token);
  }

  constructor(url, token) {
    this.url = url;
    this.token = token;
  }

  async ask(method, path, body) {
    const headers = { 'content-type': 'application/json', origin: this.url };
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    const init = { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) };
    const answer = await fetch(this.url + path, init);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }
}

/** aiortc, until `stop`. */
export class Program {
  #child;
  #errors = [];
  /** What it said last, of each thing it says. */
  said = {};

  constructor(direction, { link, token }) {
    this.#child = spawn(PYTHON, [SCRIPT, direction, link.url, token], { stdio: ['pipe', 'pipe', 'pipe'] });
    createInterface(this.#child.stdout).on('line', (line) => Object.assign(this.said, JSON.parse(line)));
    createInterface(this.#child.stderr).on('line', (line) => this.#errors.push(line));
  }

  async until(check, what) {
    const ended = () => this.#child.exitCode !== null;
    try {
      const said = await eventually(() => ended() || (check(this.said) ? this.said : null), what);
      if (said !== true) return said;
    } catch (error) {
      throw new Error(`${what}: ${JSON.stringify(this.said)}\n${this.#errors.join('\n')}`, { cause: error });
    }
    throw new Error(`it ended: ${this.#errors.join('\n')}`);
  }

  /** Ends its session as a client should. */
  async stop() {
    if (this.#child.exitCode !== null) return this.#child.exitCode;
    this.#child.stdin.end();
    const [code] = await once(this.#child, 'exit');
    return code;
  }
}

/** A page of the house's origin with both clients in it. */
export async function openClient(browser, house) {
  const context = await browser.newContext({
    baseURL: house.url,
    permissions: ['camera', 'microphone'],
    // The clients are put into the page by hand.
    bypassCSP: true,
  });
  const page = await context.newPage();
  await page.goto('/');
  for (const [name, module] of [['WHIPClient', 'whip-whep/whip.js'], ['WHEPClient', 'whip-whep/whep.js']]) {
    const source = readFileSync(fileURLToPath(import.meta.resolve(module)), 'utf8');
    await page.addScriptTag({ type: 'module', content: `${source}\nwindow.${name} = ${name};` });
    await page.waitForFunction((wanted) => wanted in window, name);
  }
  return page;
}

/** Publishes the page's camera and microphone. */
export const publish = (page, { link, token }) =>
  page.evaluate(
    async ([url, bearer]) => {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 1280, height: 720 } });
      const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
      for (const track of stream.getTracks()) peer.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
      window.client = new window.WHIPClient();
      window.peer = peer;
      await window.client.publish(peer, url, bearer);
    },
    [link.url, token],
  );

/** Plays into the page. */
export const play = (page, { link, token }) =>
  page.evaluate(
    async ([url, bearer]) => {
      const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
      for (const kind of ['audio', 'video']) {
        const { receiver } = peer.addTransceiver(kind, { direction: 'recvonly' });
        // Sound that nobody plays is not decoded.
        const element = document.createElement(kind);
        element.srcObject = new MediaStream([receiver.track]);
        element.play().catch(() => undefined);
      }
      window.client = new window.WHEPClient();
      window.peer = peer;
      await window.client.view(peer, url, bearer);
    },
    [link.url, token],
  );

/** What the page has received of its stream. */
export const inbound = (page) =>
  page.evaluate(async () => {
    const reports = [...(await window.peer.getStats()).values()].filter(({ type }) => type === 'inbound-rtp');
    const of = (wanted) => reports.find(({ kind }) => kind === wanted) ?? {};
    return {
      frames: of('video').framesDecoded ?? 0,
      width: of('video').frameWidth ?? 0,
      energy: of('audio').totalAudioEnergy ?? 0,
    };
  });

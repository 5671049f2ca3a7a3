// Chromium with a fake camera and microphone, and what is recorded of its pages.
import { readdirSync, readFileSync } from 'node:fs';

import { chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  '--auto-select-desktop-capture-source=Entire screen',
  '--autoplay-policy=no-user-gesture-required',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-gpu',
];

export const launchBrowser = (flags = []) =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [...FLAGS, ...flags],
  });

/**
 * A browser whose processes can be stopped and woken, as those of a phone that sleeps:
 * everything of it stands still, and it does not know for how long.
 */
export async function launchSleeper() {
  const server = await chromium.launchServer({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: FLAGS,
  });
  const browser = await chromium.connect(server.wsEndpoint());
  // The browser leads a process group of its own; nobody else is in it.
  const signal = (name) => process.kill(-server.process().pid, name);
  return {
    browser,
    sleep: () => signal('SIGSTOP'),
    wake: () => signal('SIGCONT'),
    /** The process that owns the microphone dies, as a driver or a headset would. */
    failAudio: () => process.kill(audioProcess(server.process().pid), 'SIGKILL'),
    close: async () => {
      signal('SIGCONT');
      await server.close();
    },
  };
}

/** The audio process of the browser that leads this process group. */
function audioProcess(group) {
  const found = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).find((pid) => {
    try {
      // After the name, which may hold anything: state, parent, group (proc(5)).
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [, , processGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(processGroup) === group && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('audio.mojom.AudioService');
    } catch {
      // Ended meanwhile.
      return false;
    }
  });
  if (!found) throw new Error('the browser has no audio process');
  return Number(found);
}

/** How long anything may take. Only a failing test takes it; a busy machine needs much. */
const PATIENCE_MS = 60_000;

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
const DESKTOP = { viewport: { width: 1440, height: 900 } };

// Keeps the page's peer connections and sockets where a test can look at them
// and cut them. Runs before any script of the page.
function keepConnections() {
  window.__peers = [];
  window.__sockets = [];
  const Peer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(...args) {
      super(...args);
      window.__peers.push(this);
    }
  };
  const Socket = window.WebSocket;
  window.WebSocket = class extends Socket {
    constructor(...args) {
      super(...args);
      window.__sockets.push(this);
    }
  };
}

/**
 * A person's browser: a context of its own with one page.
 * @param {import('playwright-core').Browser} browser
 * @param {{house: import('./house.mjs').House, device: 'phone' | 'desktop', locale?: string, theme?: 'light' | 'dark', init?: () => void}} options
 *   `init` runs in the page before any script of its own.
 */
export async function openPerson(browser, { house, device, locale = 'ru-RU', theme = 'light', init }) {
  const context = await browser.newContext({
    ...(device === 'phone' ? PHONE : DESKTOP),
    locale,
    timezoneId: 'Europe/Moscow',
    colorScheme: theme,
    baseURL: house.url,
    permissions: ['camera', 'microphone', 'notifications'],
  });
  await context.addInitScript(keepConnections);
  if (init) await context.addInitScript(init);
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const errors = [];
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(`${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  return { context, page, errors };
}

/** Waits until `check` gives something true, and returns it. */
export async function eventually(check, what, limitMs = PATIENCE_MS) {
  const end = performance.now() + limitMs;
  let last;
  for (;;) {
    try {
      last = await check();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) throw new Error(`never came true: ${what} (last: ${JSON.stringify(last)})`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

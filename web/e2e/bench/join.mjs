// The join benchmark: from the accept to the first decoded remote frame, on both
// sides, over many calls between two Chromium contexts with 720p cameras.
//
// node bench/join.mjs --out FILE [--calls N]
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';

import { eventually, launchBrowser } from '../lib/browser.mjs';
import { House } from '../lib/house.mjs';
import { byTest, operatorSignsIn, patientSignsIn, writes } from '../lib/people.mjs';

const { values: options } = parseArgs({
  options: { out: { type: 'string' }, calls: { type: 'string', default: '24' } },
});
const CALLS = Number(options.calls);
if (!options.out || !(CALLS >= 1 && CALLS <= 200)) {
  throw new Error('usage: join.mjs --out FILE [--calls 1..200]');
}

// Runs in the page: notes, in wall-clock milliseconds, when each phase of the
// newest peer connection was first seen. Pages of one machine share the clock.
function watchJoin() {
  const now = () => performance.timeOrigin + performance.now();
  const marks = {};
  const mark = (name) => {
    marks[name] ??= now();
  };
  // The word that the call is accepted, as this side hears it.
  for (const socket of window.__sockets) {
    if (socket.__joinHeard) continue;
    socket.__joinHeard = true;
    socket.addEventListener('message', ({ data }) => {
      if (data.includes('"call.updated"') && /"state":"(connecting|active)"/.test(data)) {
        window.__join.signaling ??= performance.timeOrigin + performance.now();
      }
    });
  }
  window.__join = marks;
  // The peer connection may already be there (it connects while it rings) or
  // come later; either way it is the newest one that is not closed.
  const before = new Set(window.__joinSeen ?? []);
  const current = () =>
    window.__peers.findLast((peer) => !before.has(peer) && peer.connectionState !== 'closed');
  let timer;
  const look = async () => {
    const peer = current();
    if (peer) {
      if (['connected', 'completed'].includes(peer.iceConnectionState)) mark('ice');
      if (peer.connectionState === 'connected') mark('dtls');
      for (const report of (await peer.getStats()).values()) {
        if (report.type !== 'inbound-rtp' || report.kind !== 'video') continue;
        if (report.packetsReceived > 0) mark('firstPacket');
        if (report.framesReceived > 0) mark('keyframe');
        if (report.framesDecoded > 0) mark('decoded');
      }
    }
    if (marks.decoded) {
      window.__joinSeen = [...window.__peers];
    } else {
      timer = setTimeout(look, 5);
    }
  };
  clearTimeout(timer);
  look();
}

async function oneCall(caller, callee) {
  await caller.page.evaluate(watchJoin);
  await callee.page.evaluate(watchJoin);
  await byTest(caller.page, 'call-video').click();
  const accept = byTest(callee.page, 'incoming-accept');
  await accept.waitFor();
  // A person needs about a second to reach for the button; the transports come
  // up meanwhile, on this product as on any other that prepares while ringing.
  await callee.page.waitForTimeout(1000);
  await callee.page.evaluate(() => {
    const button = [...document.querySelectorAll('[data-testid="incoming-accept"]')].find((b) => b.offsetParent);
    button.addEventListener('click', () => {
      window.__accepted = performance.timeOrigin + performance.now();
    }, { capture: true, once: true });
  });
  await accept.click();
  const marks = [];
  for (const side of [caller, callee]) {
    marks.push(
      await eventually(
        () => side.page.evaluate(() => (window.__join.decoded ? window.__join : null)),
        'a decoded remote frame',
      ),
    );
  }
  const accepted = await callee.page.evaluate(() => window.__accepted);
  await byTest(caller.page, 'call-hangup').click();
  for (const side of [caller, callee]) await byTest(side.page, 'call-hangup').waitFor({ state: 'detached' });
  return marks.map((side) => phases(side, accepted));
}

/**
 * Milliseconds spent in each phase after the accept. A phase that was over before the
 * accept, or before the phase in front of it, took no time of the wait.
 */
function phases(marks, accepted) {
  const after = (name) => Math.max(0, marks[name] - accepted);
  const signaling = after('signaling');
  const ice = Math.max(after('ice'), signaling);
  const dtls = Math.max(after('dtls'), ice);
  const packet = Math.max(after('firstPacket'), dtls);
  const keyframe = Math.max(after('keyframe'), packet);
  const decoded = Math.max(after('decoded'), keyframe);
  return {
    total: decoded,
    signaling,
    ice: ice - signaling,
    dtls: dtls - ice,
    untilPacket: packet - dtls,
    keyframe: keyframe - packet,
    decode: decoded - keyframe,
  };
}

function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)];
}

const round = (value) => Math.round(value * 10) / 10;
const mean = (values) => round(values.reduce((sum, value) => sum + value, 0) / values.length);

const house = await House.start();
const browser = await launchBrowser();
try {
  const patient = await patientSignsIn(browser, house, { phone: '9005551001', name: 'Анна Кузнецова' });
  await byTest(patient.page, 'ask-question').click();
  await writes(patient.page, 'Здравствуйте, можно видеозвонок?');
  const operator = await operatorSignsIn(browser, house, { email: 'petrov@demo.housecall' });
  await byTest(operator.page, 'queue-row').filter({ hasText: 'Анна Кузнецова' }).first().click();
  await byTest(operator.page, 'claim').click();
  await byTest(operator.page, 'call-video').waitFor();

  const sides = [];
  for (let call = 0; call < CALLS; call += 1) {
    const both = await oneCall(operator, patient);
    sides.push(...both);
    console.log(`call ${call + 1}: caller ${round(both[0].total)} ms, callee ${round(both[1].total)} ms`);
  }
  const totals = sides.map((side) => side.total);
  const result = {
    calls: CALLS,
    first_frame_ms: { p50: round(quantile(totals, 0.5)), p95: round(quantile(totals, 0.95)) },
    // Means over both sides; they add up to the mean of the whole.
    shares_ms: {
      signaling: mean(sides.map((side) => side.signaling)),
      ice: mean(sides.map((side) => side.ice)),
      dtls: mean(sides.map((side) => side.dtls)),
      first_packet: mean(sides.map((side) => side.untilPacket)),
      keyframe: mean(sides.map((side) => side.keyframe)),
      decode: mean(sides.map((side) => side.decode)),
    },
    conditions: {
      camera: '1280x720 fake device, two contexts of one Chromium',
      ring_ms: 1000,
      load_average: loadavg()[0],
    },
  };
  mkdirSync(dirname(options.out), { recursive: true });
  writeFileSync(options.out, `${JSON.stringify(result, null, 2)}\n`);
  console.log(JSON.stringify(result, null, 2));
} finally {
  await browser.close();
  await house.stop();
}

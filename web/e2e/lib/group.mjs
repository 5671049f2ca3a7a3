// Calls of several people: what each page shows and receives of each of the others.

import { eventually } from './browser.mjs';
import { byTest } from './people.mjs';

/** What arrives on each m-line of the newest open peer connection. */
export const tracks = (page) =>
  page.evaluate(async () => {
    const peer = window.__peers.findLast((candidate) => candidate.connectionState !== 'closed');
    if (!peer) return [];
    const found = [];
    for (const report of (await peer.getStats()).values()) {
      if (report.type !== 'inbound-rtp') continue;
      found.push({
        mid: report.mid,
        kind: report.kind,
        packets: report.packetsReceived ?? 0,
        frames: report.framesDecoded ?? 0,
        width: report.frameWidth ?? 0,
        energy: report.totalAudioEnergy ?? 0,
      });
    }
    return found;
  });

const grew = (before, now, of) =>
  now.filter((track) => of(track) > of(before.find(({ mid }) => mid === track.mid) ?? { packets: 0, frames: 0, energy: 0 }));

/** So many voices are heard and so many pictures decoded, all of them going on. */
export async function assertHearsAndSees(page, who, { voices, pictures }) {
  const before = await tracks(page);
  await eventually(async () => {
    const now = await tracks(page);
    const heard = grew(before, now, ({ energy }) => energy).length;
    const seen = grew(before, now, ({ frames }) => frames).length;
    return heard >= voices && seen >= pictures;
  }, `${who} hears ${voices} and sees ${pictures}`);
}

/** The frames that an element has shown, by the person of its tile. */
export const framesOf = (page, person) =>
  page.evaluate((id) => {
    const tile = document.querySelector(`[data-testid="call-tile"][data-person="${id}"] video`);
    return tile ? tile.getVideoPlaybackQuality().totalVideoFrames : null;
  }, person);

export async function assertTileMoves(page, person, what) {
  const before = (await framesOf(page, person)) ?? 0;
  await eventually(async () => ((await framesOf(page, person)) ?? 0) > before + 3, what);
}

/** Where this person's camera arrives, by the tile that shows it. */
export const midOf = (page, person, source = 'camera') =>
  page.evaluate(
    ([id, kind]) => {
      const selector = kind === 'screen'
        ? '[data-testid="remote-screen"]'
        : `[data-testid="call-tile"][data-person="${id}"] video`;
      const track = document.querySelector(selector)?.srcObject?.getVideoTracks()[0];
      const peer = window.__peers.findLast((candidate) => candidate.connectionState !== 'closed');
      return peer?.getTransceivers().find(({ receiver }) => receiver.track === track)?.mid ?? null;
    },
    [person, source],
  );

/** Packets of one m-line between two looks that are a second apart. */
export async function packetsInASecond(page, mid) {
  const of = async () => (await tracks(page)).find((track) => track.mid === mid)?.packets ?? 0;
  const before = await of();
  await page.waitForTimeout(1_000);
  return (await of()) - before;
}

export async function assertPaused(page, mid, what) {
  await eventually(async () => (await packetsInASecond(page, mid)) === 0, what);
}

export async function assertFlows(page, mid, what) {
  await eventually(async () => (await packetsInASecond(page, mid)) > 10, what);
}

/** How much each voice grew in a second, by m-line. */
export async function voicesInASecond(page) {
  const before = await tracks(page);
  await page.waitForTimeout(1_500);
  const now = await tracks(page);
  return now
    .filter(({ kind }) => kind === 'audio')
    .map((track) => ({ mid: track.mid, energy: track.energy - (before.find(({ mid }) => mid === track.mid)?.energy ?? 0) }));
}

/** So many voices, no more and no fewer, are heard. */
export async function assertVoices(page, count, what) {
  await eventually(async () => (await voicesInASecond(page)).filter(({ energy }) => energy > 1e-6).length === count, what);
}

/** Opens the panel of participants, if it is closed. */
export async function opensPeople(page) {
  if ((await byTest(page, 'call-people-panel').count()) === 0) await byTest(page, 'call-people').click();
  await byTest(page, 'call-people-panel').waitFor();
}

/** Asks a colleague in by their name. */
export async function invites(page, name, { listens = false } = {}) {
  await opensPeople(page);
  await byTest(page, 'call-invite').click();
  await byTest(page, 'invite-operator').filter({ hasText: name }).click();
  if (listens) await page.getByTestId('invite-listens').check();
  await byTest(page, 'invite-confirm').click();
  await byTest(page, 'invite-confirm').waitFor({ state: 'detached' });
}

/** The row of a participant in the panel. */
export const inPanel = (page, name) => byTest(page, 'call-person').filter({ hasText: name });

/** Sends a frame past the interface, as a client that does not obey would. */
export const sendsFrame = (page, frame) =>
  page.evaluate((text) => window.__sockets.findLast((socket) => socket.readyState === 1).send(text), JSON.stringify(frame));

/** Turns the own microphone on past the interface. */
export async function disobeys(page, call) {
  await page.evaluate(() => {
    const peer = window.__peers.findLast((candidate) => candidate.connectionState !== 'closed');
    for (const sender of peer.getSenders()) if (sender.track?.kind === 'audio') sender.track.enabled = true;
  });
  const state = { microphone: true, camera: true, screen: false };
  await sendsFrame(page, { type: 'call.media', data: { call, state } });
}

/** The encodings that a page sends of its camera, by their names. */
export const encodings = (page) =>
  page.evaluate(async () => {
    const peer = window.__peers.findLast((candidate) => candidate.connectionState !== 'closed');
    const sent = {};
    for (const report of (await peer.getStats()).values()) {
      if (report.type !== 'outbound-rtp' || report.kind !== 'video') continue;
      sent[report.rid ?? ''] = { active: report.active !== false, frames: report.framesSent ?? 0, width: report.frameWidth ?? 0 };
    }
    return sent;
  });


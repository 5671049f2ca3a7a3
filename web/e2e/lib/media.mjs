// What a page's peer connection received, by its own statistics.
import assert from 'node:assert/strict';

import { eventually } from './browser.mjs';

/** The inbound side of the newest open peer connection. */
export const received = (page) =>
  page.evaluate(async () => {
    const peer = window.__peers.findLast((candidate) => candidate.connectionState !== 'closed');
    if (!peer) return null;
    const sum = { framesDecoded: 0, width: 0, height: 0, audioEnergy: 0, audioPackets: 0, freezes: 0, videos: [] };
    for (const report of (await peer.getStats()).values()) {
      if (report.type !== 'inbound-rtp') continue;
      if (report.kind === 'video') {
        sum.framesDecoded += report.framesDecoded ?? 0;
        sum.freezes += report.freezeCount ?? 0;
        sum.width = Math.max(sum.width, report.frameWidth ?? 0);
        sum.height = Math.max(sum.height, report.frameHeight ?? 0);
        sum.videos.push({ mid: report.mid, frames: report.framesDecoded ?? 0, width: report.frameWidth ?? 0 });
      } else {
        sum.audioEnergy += report.totalAudioEnergy ?? 0;
        sum.audioPackets += report.packetsReceived ?? 0;
      }
    }
    return sum;
  });

/** Packets sent of each layer of the camera, by its rid. */
export const sentLayers = (page) =>
  page.evaluate(async () => {
    const peer = window.__peers.findLast((candidate) => candidate.connectionState !== 'closed');
    const layers = {};
    for (const report of (await peer.getStats()).values()) {
      if (report.type === 'outbound-rtp' && report.kind === 'video' && report.rid) layers[report.rid] = report.packetsSent ?? 0;
    }
    return layers;
  });

/** Video of a camera's shape and audible sound arrive, and go on arriving. */
export async function assertMediaFlows(page, who, { video = true } = {}) {
  const before = (await received(page)) ?? { framesDecoded: 0, audioEnergy: 0 };
  let now = null;
  const flowing = await eventually(async () => {
    now = await received(page);
    if (!now) return null;
    const heard = now.audioEnergy > before.audioEnergy;
    const seen = !video || (now.framesDecoded > before.framesDecoded + 5 && now.width >= 320);
    return heard && seen ? now : null;
  }, `${who} sees and hears the other side`).catch((error) => {
    throw new Error(`${error.message}: first ${JSON.stringify(before)}, then ${JSON.stringify(now)}`);
  });
  if (video) {
    // The fake camera is 16:9 when asked for 1280x720; an encoder may scale it down.
    const ratio = flowing.width / flowing.height;
    assert.ok(Math.abs(ratio - 16 / 9) < 0.05, `${who} got a picture of ${flowing.width}x${flowing.height}`);
  }
  return flowing;
}

/** Nothing new is decoded between two looks that are some frames apart. */
export async function assertVideoStops(page, who) {
  await eventually(async () => {
    const first = await received(page);
    await page.waitForTimeout(700);
    const second = await received(page);
    return second.framesDecoded === first.framesDecoded;
  }, `${who} gets no more video`);
}

/** Cuts the page's WebSockets, as a lost network would. */
export const cutSockets = (page) =>
  page.evaluate(() => {
    for (const socket of window.__sockets) socket.close();
  });

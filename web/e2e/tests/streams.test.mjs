// WHIP and WHEP with clients that we did not write: one of the two ends is always a
// WebRTC stack other than the browser's.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { eventually, launchBrowser } from '../lib/browser.mjs';
import { House } from '../lib/house.mjs';
import { story } from '../lib/steps.mjs';
import { Desk, Program, inbound, openClient, play, publish } from '../lib/streams.mjs';

describe('streams of other programs', () => {
  let house;
  let browser;
  let admin;
  let page;
  const programs = [];

  const step = story(() => ({}));

  before(async () => {
    // With one candidate: the browser's client writes several of a restart into one line.
    house = await House.start({ env: { HOUSECALL_SFU__TCP: 'false' } });
    browser = await launchBrowser();
    admin = await Desk.signIn(house, 'admin@demo.housecall');
    page = await openClient(browser, house);
  });

  after(async () => {
    await Promise.all(programs.map((program) => program.stop()));
    await browser?.close();
    await house?.stop();
  });

  const participants = (count) =>
    eventually(async () => {
      const found = /^housecall_sfu_participants (\d+)$/m.exec(await house.metrics());
      return Number(found?.[1]) === count;
    }, `${count} in the relay`);

  function run(direction, issued) {
    const program = new Program(direction, issued);
    programs.push(program);
    return program;
  }

  step('a browser publishes by WHIP, a program plays by WHEP, through a restart of ICE', async () => {
    const test = await admin.ask('POST', '/api/v1/test-streams', {});
    await publish(page, test.publish);
    const player = run('play', test.play);
    const seen = await player.until((said) => said.video > 10 && said.audio > 10, 'the program decodes both');
    assert.ok(seen.width >= 320 && Math.abs(seen.width / seen.height - 16 / 9) < 0.05, JSON.stringify(seen));
    assert.ok(seen.contrast > 50, 'a picture, not a grey field');
    assert.ok(seen.loudest > 100, 'a sound, not silence');

    const credentials = () => page.evaluate(() => /a=ice-ufrag:(\S+)/.exec(window.peer.remoteDescription.sdp)[1]);
    const before = await credentials();
    await page.evaluate(() => window.client.restart());
    await eventually(async () => (await credentials()) !== before, 'the relay made new credentials');
    const { video } = player.said;
    await player.until((said) => said.video > video + 30, 'it goes on after the restart');

    await page.evaluate(() => window.client.stop());
    assert.equal(await player.stop(), 0);
    await participants(0);
  });

  step('a program publishes by WHIP, a browser plays by WHEP', async () => {
    const test = await admin.ask('POST', '/api/v1/test-streams', {});
    const publisher = run('publish', test.publish);
    await publisher.until(({ state }) => state === 'connected', 'the program is connected');
    await play(page, test.play);
    await eventually(async () => {
      const now = await inbound(page);
      return now.frames > 20 && now.width === 640 && now.energy > 0;
    }, 'the page decodes both');
    await page.evaluate(() => window.client.stop());
    assert.equal(await publisher.stop(), 0);
    await participants(0);
  });

  step('a revoked link ends its stream', async () => {
    const test = await admin.ask('POST', '/api/v1/test-streams', {});
    const publisher = run('publish', test.publish);
    await publisher.until(({ state }) => state === 'connected', 'the program is connected');
    await participants(1);
    await admin.ask('DELETE', `/api/v1/stream-links/${test.publish.link.id}`);
    // The relay's own word: aiortc calls itself connected after the end of DTLS, too.
    await participants(0);
    const late = run('publish', test.publish);
    await assert.rejects(late.until(() => false, 'never'), /401/);
  });
});

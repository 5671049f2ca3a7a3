// Relays that stop and relays that die under a call: it goes on at another one.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { eventually, launchBrowser } from '../lib/browser.mjs';
import { House } from '../lib/house.mjs';
import { assertMediaFlows, received } from '../lib/media.mjs';
import { Nats } from '../lib/nats.mjs';
import { byTest, meet } from '../lib/people.mjs';
import { story } from '../lib/steps.mjs';

const NAME = 'Павел Переездов';
const REST = ['crm-api', 'signaling', 'chat-router', 'presence'];

describe('a call and its relays', () => {
  let nats;
  let house;
  let browser;
  let patient;
  let doctor;
  const relays = [];

  const step = story(() => ({ patient, doctor }));

  const env = () => ({
    HOUSECALL_BUS__NATS_URL: nats.url,
    // Time enough for everybody to move; the relay waits no longer than it has rooms.
    HOUSECALL_SFU__DRAIN_S: '50',
    HOUSECALL_SERVER__DRAIN_SECONDS: '60',
    HOUSECALL_SIGNALING__CALL__BEAT_S: '1',
  });

  async function startRelay() {
    const relay = await House.start({ env: env(), roles: ['sfu'] });
    relays.push(relay);
    return relay;
  }

  const participants = async (relay) =>
    Number(/^housecall_sfu_participants (\d+)$/m.exec(await relay.metrics())?.[1]);

  /** How long sound was missing so far, as the page's own decoder says, in seconds. */
  const interruptions = (page) =>
    page.evaluate(async () => {
      let total = 0;
      for (const peer of window.__peers) {
        for (const report of (await peer.getStats()).values()) {
          if (report.type === 'inbound-rtp' && report.kind === 'audio') total += report.totalInterruptionDuration ?? 0;
        }
      }
      return total;
    });

  before(async () => {
    nats = await Nats.start();
    house = await House.start({ env: env(), roles: REST });
    await startRelay();
    browser = await launchBrowser();
    ({ patient, doctor } = await meet(browser, house, { phone: '9005556001', name: NAME, question: 'Вопрос перед переездом' }));
    await byTest(doctor.page, 'call-video').click();
    await byTest(patient.page, 'incoming-accept').click();
    await assertMediaFlows(patient.page, 'the patient');
    await assertMediaFlows(doctor.page, 'the doctor');
  });

  after(async () => {
    await browser?.close();
    await house?.stop();
    await Promise.all(relays.map((relay) => relay.stop()));
    await nats?.stop();
  });

  async function goesOnAt(relay) {
    await eventually(async () => (await participants(relay)) === 2, 'both are at the other relay', 40_000);
    await assertMediaFlows(patient.page, 'the patient');
    await assertMediaFlows(doctor.page, 'the doctor');
    assert.ok(await byTest(patient.page, 'call-hangup').isVisible());
  }

  step('a relay that is told to stop hands its call over and ends', async () => {
    const [old] = relays;
    const next = await startRelay();
    const silences = await Promise.all([interruptions(patient.page), interruptions(doctor.page)]);
    assert.equal(await old.drain(), 0);
    await goesOnAt(next);
    for (const [index, { page }] of [patient, doctor].entries()) {
      const added = (await interruptions(page)) - silences[index];
      assert.ok(added < 1, `sound was missing for ${added} s`);
    }
    // The old connection is gone, the new one is the page's only one.
    const open = await patient.page.evaluate(
      () => window.__peers.filter((peer) => peer.connectionState !== 'closed').length,
    );
    assert.equal(open, 1);
  });

  step('a relay that dies costs a moment and not the call', async () => {
    const next = await startRelay();
    await relays[1].kill();
    await goesOnAt(next);
    const before = await received(patient.page);
    await eventually(async () => (await received(patient.page)).framesDecoded > before.framesDecoded + 30, 'it stays');
    await byTest(patient.page, 'call-hangup').click();
    await byTest(doctor.page, 'call-hangup').waitFor({ state: 'detached' });
    await eventually(async () => (await participants(next)) === 0, 'nobody is left at the relay');
  });
});

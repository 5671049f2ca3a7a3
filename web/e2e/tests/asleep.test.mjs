// A phone that sleeps in a call for longer than the relay waits for it: the relay gives
// the path up, the call goes on, and the phone comes back by a path of its own making.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { eventually, launchBrowser, launchSleeper } from '../lib/browser.mjs';
import { House } from '../lib/house.mjs';
import { assertMediaFlows, received } from '../lib/media.mjs';
import { asks, byTest, operatorSignsIn, patientSignsIn, takes } from '../lib/people.mjs';
import { story } from '../lib/steps.mjs';

const NAME = 'Роман Ильин';
/** How long the relay waits for a lost participant, and how long the house does. */
const PATIENCE_S = 2;
const HOUSE_S = 90;

describe('a phone that slept', () => {
  let house;
  let browser;
  let phone;
  let patient;
  let doctor;

  const step = story(() => ({ patient, doctor }));

  before(async () => {
    house = await House.start({
      env: {
        HOUSECALL_SFU__PATIENCE_S: String(PATIENCE_S),
        HOUSECALL_SIGNALING__CALL__AWAY_S: String(HOUSE_S),
        HOUSECALL_SIGNALING__CALL__MEDIA_LOST_S: String(HOUSE_S),
      },
    });
    browser = await launchBrowser();
    phone = await launchSleeper();
    patient = await patientSignsIn(phone.browser, house, { phone: '9005557001', name: NAME });
    await asks(patient.page, 'Можно созвониться?');
    doctor = await operatorSignsIn(browser, house, { email: 'petrov@demo.housecall' });
    await takes(doctor.page, NAME);
  });

  after(async () => {
    await phone?.close();
    await browser?.close();
    await house?.stop();
  });

  const peers = () => patient.page.evaluate(() => window.__peers.length);

  step('they talk', async () => {
    await byTest(doctor.page, 'call-video').click();
    await byTest(patient.page, 'incoming-accept').click();
    await assertMediaFlows(doctor.page, 'the doctor');
    await assertMediaFlows(patient.page, 'the patient');
  });

  step('the phone sleeps, the relay gives it up, and the doctor is told', async () => {
    const before = await peers();
    phone.sleep();
    await byTest(doctor.page, 'call-state').filter({ hasText: 'восстанавливает связь' }).waitFor({ timeout: 60_000 });
    // The relay's patience begins when it misses the phone; its packets have stopped by then.
    await eventually(async () => {
      const metrics = await house.metrics();
      return Number(/^housecall_sfu_participants (\d+)/m.exec(metrics)?.[1] ?? NaN) === 1;
    }, 'the relay holds the doctor alone', 60_000);
    phone.wake();
    await eventually(async () => (await peers()) > before, 'a new peer connection takes the place of the lost one', 60_000);
  });

  step('both see and hear again, in the same call', async () => {
    await assertMediaFlows(patient.page, 'the patient');
    await assertMediaFlows(doctor.page, 'the doctor');
    await byTest(doctor.page, 'call-state').filter({ hasText: 'восстанавливает связь' }).waitFor({ state: 'detached' });
    assert.ok((await received(patient.page)).framesDecoded > 0);
  });

  step('a microphone that fails is opened again', async () => {
    await patient.page.evaluate(() => {
      const peer = window.__peers.findLast((candidate) => candidate.connectionState !== 'closed');
      const { track } = peer.getSenders().find((sender) => sender.track?.kind === 'audio');
      track.addEventListener('ended', () => { window.__microphoneEnded = true; });
      window.__microphone = track;
    });
    phone.failAudio();
    await eventually(() => patient.page.evaluate(() => window.__microphoneEnded), 'the microphone ended');
    await assertMediaFlows(doctor.page, 'the doctor');
    await byTest(doctor.page, 'call-hangup').click();
    await byTest(patient.page, 'call-hangup').waitFor({ state: 'detached' });
  });
});

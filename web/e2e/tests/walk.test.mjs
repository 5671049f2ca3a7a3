// The main job, end to end, as people do it: a question, a claim, a chat, calls,
// the archive, a callback. One house, one patient's phone, two operators' desks.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { eventually, launchBrowser } from '../lib/browser.mjs';
import { pdf, png } from '../lib/fixtures.mjs';
import { House } from '../lib/house.mjs';
import { assertMediaFlows, assertVideoStops, received } from '../lib/media.mjs';
import { asks, bubble, byTest, operatorSignsIn, patientGoes, patientSignsIn, writes } from '../lib/people.mjs';
import { story } from '../lib/steps.mjs';

const NAME = 'Вера Орлова';

describe('a question, a conversation, a video call, an archive', () => {
  let house;
  let browser;
  let patient;
  let doctor;
  let rival;

  const step = story(() => ({ patient, doctor, rival }));

  before(async () => {
    house = await House.start({ env: { HOUSECALL_SIGNALING__CALL__RING_S: '8' } });
    browser = await launchBrowser();
    patient = await patientSignsIn(browser, house, { phone: '9005552001', name: NAME });
    doctor = await operatorSignsIn(browser, house, { email: 'petrov@demo.housecall' });
    rival = await operatorSignsIn(browser, house, { email: 'sokolova@demo.housecall' });
  });

  after(async () => {
    await browser?.close();
    await house?.stop();
  });

  const row = (desk) => byTest(desk.page, 'queue-row').filter({ hasText: NAME });

  /** A call from one side to the other, up to where both see or hear. */
  async function call(caller, callee, button, media) {
    await byTest(caller.page, button).click();
    await byTest(callee.page, 'incoming-accept').click();
    await assertMediaFlows(callee.page, 'the callee', media);
    await assertMediaFlows(caller.page, 'the caller', media);
  }

  async function callEnds(...sides) {
    for (const side of sides) await byTest(side.page, 'call-hangup').waitFor({ state: 'detached' });
  }

  step('the patient asks and attaches a photo', async () => {
    await asks(patient.page, 'Второй день держится 38,2 и болит горло');
    await patient.page.setInputFiles('[data-testid="attach-input"]', {
      name: 'горло.png',
      mimeType: 'image/png',
      buffer: png(640, 480, [200, 120, 110]),
    });
    await eventually(
      async () => (await byTest(patient.page, 'message').locator('img').count()) > 0,
      'the photo is shown',
    );
  });

  step('both operators see it wait, both press, exactly one gets it', async () => {
    for (const desk of [doctor, rival]) {
      await row(desk).first().click();
      // The photo is fetched while the question still waits for both: afterwards the
      // loser may not read it any more, and Chromium would write the refusal down.
      const photo = byTest(desk.page, 'message').locator('img').first();
      await eventually(() => photo.evaluate((image) => image.naturalWidth > 0), 'the photo is there');
    }
    await Promise.all([
      byTest(doctor.page, 'claim').click(),
      byTest(rival.page, 'claim').click(),
    ]);
    const holders = await eventually(async () => {
      const open = [];
      for (const desk of [doctor, rival]) {
        if (await byTest(desk.page, 'close-consultation').isVisible()) open.push(desk);
      }
      return open.length > 0 ? open : null;
    }, 'somebody holds the consultation');
    assert.equal(holders.length, 1, 'one holder');
    if (holders[0] === rival) [doctor, rival] = [rival, doctor];
    // The loser is told who has it, by name.
    await byTest(rival.page, 'claimed-by-other').waitFor();
    // Its refused request is the one line that Chromium itself writes.
    rival.errors = rival.errors.filter((line) => !line.includes('409'));
  });

  step('they chat: words, files both ways, typing, delivered and read', async () => {
    await bubble(doctor.page, 'болит горло').waitFor();
    await byTest(doctor.page, 'composer-input').pressSequentially('Здравст');
    await byTest(patient.page, 'typing').waitFor();
    await writes(doctor.page, 'Здравствуйте, фото вижу');
    await bubble(patient.page, 'фото вижу').waitFor();
    await eventually(
      async () => (await bubble(doctor.page, 'фото вижу').getAttribute('data-state')) === 'read',
      'the doctor sees that it was read',
    );
    await doctor.page.setInputFiles('[data-testid="attach-input"]', {
      name: 'Памятка.pdf',
      mimeType: 'application/pdf',
      buffer: pdf(),
    });
    await byTest(patient.page, 'message').filter({ hasText: 'Памятка.pdf' }).waitFor();
    await writes(patient.page, 'Спасибо, читаю');
    await bubble(doctor.page, 'Спасибо, читаю').waitFor();
  });

  step('the whole history is there after a reload, once and in order', async () => {
    const seqs = (page) =>
      byTest(page, 'message').evaluateAll((all) => all.map((m) => Number(m.dataset.seq)));
    for (const side of [patient, doctor]) {
      await side.page.reload();
      await bubble(side.page, 'Спасибо, читаю').waitFor();
      await bubble(side.page, 'болит горло').waitFor();
      const shown = await seqs(side.page);
      assert.deepEqual(shown, [...new Set(shown)].sort((a, b) => a - b));
    }
  });

  step('the doctor calls by video: both see and hear', async () => {
    await call(doctor, patient, 'call-video', { video: true });
    await byTest(doctor.page, 'local-video').waitFor();
    await byTest(patient.page, 'local-video').waitFor();
  });

  step('camera off and on, microphone off and on', async () => {
    await byTest(patient.page, 'call-camera').click();
    await assertVideoStops(doctor.page, 'the doctor');
    await byTest(patient.page, 'call-camera').click();
    await assertMediaFlows(doctor.page, 'the doctor');
    await byTest(patient.page, 'call-mute').click();
    await eventually(async () => {
      const first = await received(doctor.page);
      await doctor.page.waitForTimeout(700);
      const second = await received(doctor.page);
      return second.audioEnergy - first.audioEnergy < 1e-6;
    }, 'the doctor hears nothing');
    await byTest(patient.page, 'call-mute').click();
    await assertMediaFlows(doctor.page, 'the doctor');
  });

  step('the doctor shares the screen and stops', async () => {
    await byTest(doctor.page, 'call-screen').click();
    await eventually(
      async () => (await received(patient.page)).videos.filter((v) => v.frames > 0).length === 2,
      'the patient decodes the camera and the screen',
    );
    await byTest(doctor.page, 'call-screen').click();
    await assertMediaFlows(patient.page, 'the patient');
  });

  step('they chat during the call, hang up, and the record stays', async () => {
    await writes(doctor.page, 'Пишу во время звонка');
    await byTest(patient.page, 'call-chat').click();
    await bubble(patient.page, 'Пишу во время звонка').last().waitFor();
    await byTest(doctor.page, 'call-hangup').click();
    await callEnds(doctor, patient);
    await byTest(doctor.page, 'call-record').first().waitFor();
  });

  step('the patient calls by audio and the doctor declines', async () => {
    await byTest(patient.page, 'call-audio').click();
    await byTest(doctor.page, 'incoming-decline').click();
    await callEnds(patient);
    await eventually(
      async () => (await byTest(doctor.page, 'call-record').count()) === 2,
      'the declined call is recorded',
    );
  });

  step('the patient calls by audio, both hear', async () => {
    await call(patient, doctor, 'call-audio', { video: false });
    await byTest(patient.page, 'call-hangup').click();
    await callEnds(doctor, patient);
  });

  step('nobody answers: the call ends by itself and says so', async () => {
    await byTest(doctor.page, 'call-audio').click();
    await byTest(patient.page, 'incoming-accept').waitFor();
    await callEnds(doctor);
    await byTest(patient.page, 'incoming-accept').waitFor({ state: 'detached' });
  });

  step('the doctor closes with a conclusion; it is in the archive and in the history', async () => {
    await byTest(doctor.page, 'close-consultation').click();
    await byTest(doctor.page, 'close-summary').fill('Обильное питьё, осмотр через два дня');
    await byTest(doctor.page, 'close-confirm').click();
    await byTest(doctor.page, 'tab-archive').click();
    await row(doctor).first().click();
    await bubble(doctor.page, 'болит горло').waitFor();
    await patientGoes(patient.page, 'history');
    await byTest(patient.page, 'history-item').filter({ hasText: 'Обильное питьё' }).waitFor();
  });

  step('the next question opens a new consultation with all that came before', async () => {
    await patientGoes(patient.page, 'chat');
    await writes(patient.page, 'Стало лучше, можно гулять?');
    await byTest(doctor.page, 'tab-queue').click();
    await row(doctor).first().click();
    await bubble(doctor.page, 'можно гулять').waitFor();
    await bubble(doctor.page, 'болит горло').waitFor();
    await byTest(doctor.page, 'claim').click();
    await byTest(doctor.page, 'close-consultation').waitFor();
  });

  step('a callback: ordered, taken, missed once, answered, archived', async () => {
    await patientGoes(patient.page, 'home');
    await byTest(patient.page, 'callback-open').click();
    await byTest(patient.page, 'callback-reason').fill('Расшифровать анализы');
    await byTest(patient.page, 'callback-submit').click();
    await byTest(patient.page, 'callback-state').waitFor();

    await byTest(doctor.page, 'nav-requests').click();
    const request = () => byTest(doctor.page, 'request-row').filter({ hasText: NAME });
    await request().getByTestId('request-take').click();
    await openRequests('in_progress');
    await request().getByTestId('request-call-audio').click();
    await byTest(patient.page, 'incoming-accept').waitFor();
    await callEnds(doctor);

    // Not answered: an attempt, and the request waits again.
    await openRequests('new');
    await request().getByTestId('request-take').click();
    await openRequests('in_progress');
    await request().getByTestId('request-call-audio').click();
    await byTest(patient.page, 'incoming-accept').click();
    await assertMediaFlows(doctor.page, 'the doctor', { video: false });
    await byTest(doctor.page, 'call-hangup').click();
    await callEnds(doctor, patient);
    await openRequests('archive');
    await request().waitFor();
  });

  const openRequests = (state) => byTest(doctor.page, `requests-${state}`).click();

  step('no console shows an error', () => {
    for (const [who, side] of Object.entries({ patient, doctor, rival })) {
      assert.deepEqual(side.errors, [], who);
    }
  });
});

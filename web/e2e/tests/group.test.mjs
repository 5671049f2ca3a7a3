// A call of more than two: a doctor and a patient, a colleague who is asked in, a
// supervisor who listens. Real Chromium pages, the real relay between them.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { eventually, launchBrowser } from '../lib/browser.mjs';
import {
  assertFlows, assertHearsAndSees, assertPaused, assertTileMoves, assertVoices, disobeys, inPanel, invites, midOf, opensPeople,
  tracks,
} from '../lib/group.mjs';
import { House } from '../lib/house.mjs';
import { assertMediaFlows } from '../lib/media.mjs';
import { byTest, meet, operatorSignsIn } from '../lib/people.mjs';
import { story } from '../lib/steps.mjs';

const NAME = 'Пётр Лугин';
const COLLEAGUE = 'Мария Соколова';
const DOCTOR = 'Илья Петров';

/** Over how many workers of the relay the call spreads. */
const SHAPES = {
  'at one worker': { HOUSECALL_SFU__WORKERS: '1' },
  'at several workers': { HOUSECALL_SFU__WORKERS: '3', HOUSECALL_SFU__ROOM_PARTICIPANTS_PER_WORKER: '1' },
};

for (const [shape, env] of Object.entries(SHAPES)) describe(`a call of several people ${shape}`, () => {
  let house;
  let browser;
  let patient;
  let doctor;
  let colleague;
  let supervisor;
  let ids;

  const step = story(() => ({ patient, doctor, colleague, supervisor }));

  before(async () => {
    house = await House.start({ env });
    browser = await launchBrowser();
    ({ patient, doctor } = await meet(browser, house, { phone: '9005554001', name: NAME, question: 'Можно созвониться?' }));
    colleague = await operatorSignsIn(browser, house, { email: 'sokolova@demo.housecall' });
  });

  after(async () => {
    await browser?.close();
    await house?.stop();
  });

  const all = () => Object.entries({ 'the doctor': doctor, 'the patient': patient, 'the colleague': colleague });

  /** Whose tiles a page shows. */
  const tilesOf = ({ page }) => byTest(page, 'call-tile').evaluateAll((tiles) => tiles.map((tile) => tile.dataset.person));

  step('the doctor asks a colleague into the call: all three see and hear each other', async () => {
    await byTest(doctor.page, 'call-video').click();
    await byTest(patient.page, 'incoming-accept').click();
    await assertMediaFlows(doctor.page, 'the doctor');
    await invites(doctor.page, COLLEAGUE);
    await byTest(colleague.page, 'incoming').filter({ hasText: NAME }).waitFor();
    await byTest(colleague.page, 'incoming-accept').click();
    for (const [who, side] of all()) await assertHearsAndSees(side.page, who, { voices: 2, pictures: 2 });
    for (const [who, side] of all()) {
      const shown = await tilesOf(side);
      assert.equal(shown.length, 2, who);
      for (const person of shown) await assertTileMoves(side.page, person, `${who} sees a moving tile`);
    }
    const [ofDoctor, ofPatient] = [await tilesOf(doctor), await tilesOf(patient)];
    const own = ofDoctor.find((person) => ofPatient.includes(person));
    ids = { colleague: own, patient: ofDoctor.find((id) => id !== own), doctor: ofPatient.find((id) => id !== own) };
  });

  step('a raised hand is seen by the others, and falls', async () => {
    await byTest(colleague.page, 'call-hand').click();
    await inPanel(doctor.page, COLLEAGUE).getByTestId('person-hand').waitFor();
    await byTest(patient.page, 'call-tile').filter({ hasText: COLLEAGUE }).locator('.call-tile-hand').waitFor();
    await byTest(colleague.page, 'call-hand').click();
    await inPanel(doctor.page, COLLEAGUE).getByTestId('person-hand').waitFor({ state: 'detached' });
  });

  step('the colleague shares the screen: a second video of theirs is decoded by both', async () => {
    const before = { doctor: (await tracks(doctor.page)).length, patient: (await tracks(patient.page)).length };
    await byTest(colleague.page, 'call-screen').click();
    for (const [who, side] of [['the doctor', doctor], ['the patient', patient]]) {
      await byTest(side.page, 'remote-screen').waitFor();
      await assertHearsAndSees(side.page, who, { voices: 2, pictures: 3 });
      const mid = await midOf(side.page, ids.colleague, 'screen');
      await assertFlows(side.page, mid, `${who} gets the screen`);
    }
    assert.ok((await tracks(doctor.page)).length > before.doctor);
    await byTest(colleague.page, 'call-screen').click();
    for (const side of [doctor, patient]) await byTest(side.page, 'remote-screen').waitFor({ state: 'detached' });
  });

  step('a tile that is not on the screen is not sent, and comes back', async () => {
    const mid = await midOf(doctor.page, ids.colleague);
    await assertFlows(doctor.page, mid, 'the tile is sent');
    // As a small window the call shows the patient alone.
    await byTest(doctor.page, 'call-minimise').click();
    await byTest(doctor.page, 'call-expand').waitFor();
    await assertPaused(doctor.page, mid, 'nothing of the colleague is sent to the doctor');
    await assertHearsAndSees(doctor.page, 'the doctor', { voices: 2, pictures: 1 });
    await byTest(doctor.page, 'call-expand').click();
    await assertFlows(doctor.page, mid, 'the tile is sent again');
    await assertTileMoves(doctor.page, ids.colleague, 'the tile moves again');
  });

  step('the doctor mutes the patient, and the relay obeys the doctor', async () => {
    const call = await callOf(doctor.page);
    await opensPeople(doctor.page);
    await assertVoices(colleague.page, 2, 'the colleague hears both');
    await inPanel(doctor.page, NAME).getByTestId('person-microphone').click();
    await byTest(patient.page, 'call-notice').filter({ hasText: 'выключил ваш микрофон' }).waitFor();
    assert.ok(await byTest(patient.page, 'call-mute').isDisabled());
    await disobeys(patient.page, call);
    for (const side of [doctor, colleague]) await assertVoices(side.page, 1, 'the patient is not heard');
    assert.equal(await inPanel(doctor.page, NAME).getByTestId('person-microphone').getAttribute('data-on'), 'false');
    // Who is heard is marked, and who is not heard is not.
    const marked = (person) => byTest(colleague.page, 'call-tile').and(colleague.page.locator(`[data-person="${person}"][data-speaking="true"]`));
    await marked(ids.doctor).waitFor();
    await marked(ids.patient).waitFor({ state: 'detached' });
  });

  step('asked to speak, the patient decides', async () => {
    await inPanel(doctor.page, NAME).getByTestId('person-microphone').click();
    await byTest(patient.page, 'call-asked').waitFor();
    await assertVoices(colleague.page, 1, 'nobody opens a microphone for another');
    await byTest(patient.page, 'call-asked-yes').click();
    for (const side of [doctor, colleague]) await assertVoices(side.page, 2, 'the patient is heard again');
  });

  step('a supervisor listens unseen', async () => {
    supervisor = await operatorSignsIn(browser, house, { email: 'supervisor@demo.housecall' });
    await byTest(supervisor.page, 'nav-calls').click();
    await byTest(supervisor.page, 'call-row').filter({ hasText: NAME }).getByTestId('call-listen').click();
    await assertHearsAndSees(supervisor.page, 'the supervisor', { voices: 3, pictures: 3 });
    await byTest(supervisor.page, 'call-listening').waitFor();
    for (const [who, side] of all()) {
      assert.equal((await tilesOf(side)).length, 2, who);
      await assertHearsAndSees(side.page, who, { voices: 2, pictures: 2 });
    }
    assert.equal(await byTest(doctor.page, 'call-person').count(), 2);
    await byTest(supervisor.page, 'call-hangup').click();
    await byTest(supervisor.page, 'call-row').waitFor();
  });

  step('the colleague goes, the call goes on, and its record says how it was', async () => {
    await byTest(colleague.page, 'call-hangup').click();
    await byTest(colleague.page, 'call-hangup').waitFor({ state: 'detached' });
    await byTest(doctor.page, 'remote-video').waitFor();
    await assertMediaFlows(doctor.page, 'the doctor');
    await assertMediaFlows(patient.page, 'the patient');
    // A touch on controls that have faded only shows them.
    await byTest(patient.page, 'call-quality').hover();
    await byTest(patient.page, 'call-quality').click();
    const figures = byTest(patient.page, 'call-figures').filter({ hasText: /Слышимость \d,\d из 4,5/ });
    await figures.waitFor();
    await byTest(doctor.page, 'call-hangup').click();
    await byTest(patient.page, 'call-hangup').waitFor({ state: 'detached' });

    await byTest(doctor.page, 'call-record-link').last().click();
    await byTest(doctor.page, 'call-record-dialog').waitFor();
    await eventually(async () => (await byTest(doctor.page, 'record-person').count()) === 3, 'three were there');
    const patients = byTest(doctor.page, 'record-person').filter({ hasText: NAME });
    await patients.getByTestId('call-score').waitFor();
    await patients.filter({ hasText: 'UDP' }).waitFor();
    // Who listened unseen is in the supervisor's record alone.
    await byTest(supervisor.page, 'calls-ended').click();
    await byTest(supervisor.page, 'call-row').filter({ hasText: NAME }).first().getByRole('link').click();
    await byTest(supervisor.page, 'record-person').filter({ hasText: 'Слушал незаметно' }).waitFor();
    assert.equal(await byTest(supervisor.page, 'record-person').filter({ hasText: DOCTOR }).count(), 1);
  });

  step('the house counts how calls sound', async () => {
    const metrics = await house.metrics();
    const value = (name) => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(metrics)?.[1] ?? 0);
    assert.equal(value('housecall_sfu_relayed_packets_total') > 0, env.HOUSECALL_SFU__WORKERS !== '1');
    assert.ok(value('housecall_call_mos_count') > 3, 'reports were judged');
    const mean = value('housecall_call_mos_sum') / value('housecall_call_mos_count');
    // How well depends on what else this machine does; that it is judged does not.
    assert.ok(mean > 1 && mean <= 4.5, `a mean opinion score of ${mean}`);
  });

  step('no console shows an error', () => {
    for (const [who, side] of [...all(), ['the supervisor', supervisor]]) assert.deepEqual(side.errors, [], who);
  });
});

/** The id of the call a page is in. */
const callOf = (page) => page.evaluate(() => sessionStorage.getItem('housecall.call'));

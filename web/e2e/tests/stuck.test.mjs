// A microphone that is on and whose packets do not reach the relay: the relay finds out,
// both sides are told, the record keeps it and the house counts it.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { launchBrowser } from '../lib/browser.mjs';
import { House } from '../lib/house.mjs';
import { assertMediaFlows } from '../lib/media.mjs';
import { byTest, meet } from '../lib/people.mjs';
import { story } from '../lib/steps.mjs';

const NAME = 'Алла Мирная';
const COUNT = /^housecall_call_stuck_total\{fault="not_arriving",source="microphone"\} (\d+)$/m;

describe('a voice that does not arrive', () => {
  let house;
  let browser;
  let patient;
  let doctor;

  const step = story(() => ({ patient, doctor }));

  before(async () => {
    house = await House.start();
    browser = await launchBrowser();
    ({ patient, doctor } = await meet(browser, house, { phone: '9005558001', name: NAME, question: 'Можно созвониться?' }));
  });

  after(async () => {
    await browser?.close();
    await house?.stop();
  });

  const hint = () => doctor.page.locator('[data-testid=call-hint][data-fault=not_arriving][data-source=microphone]');
  const notice = () => byTest(patient.page, 'call-notice').filter({ hasText: 'Ваш сигнал не доходит до врача: звук' });
  const times = async () => Number(COUNT.exec(await house.metrics())?.[1] ?? 0);

  step('while it flows nobody is told anything', async () => {
    await byTest(doctor.page, 'call-video').click();
    await byTest(patient.page, 'incoming-accept').click();
    await assertMediaFlows(doctor.page, 'the doctor');
    await assertMediaFlows(patient.page, 'the patient');
    assert.equal(await times(), 0);
  });

  step('the page says that it sends, nothing comes, and both are told', async () => {
    // The sender loses its track behind the application's back, as by a bug in a browser.
    await patient.page.evaluate(async () => {
      const peer = window.__peers.findLast((candidate) => candidate.connectionState !== 'closed');
      const sender = peer.getSenders().find(({ track }) => track?.kind === 'audio');
      window.__silenced = { sender, track: sender.track };
      await sender.replaceTrack(null);
    });
    await hint().filter({ hasText: NAME }).waitFor({ timeout: 25_000 });
    await notice().waitFor({ timeout: 10_000 });
    assert.equal(await times(), 1);
  });

  step('it comes again, and what was said is taken back', async () => {
    await patient.page.evaluate(() => window.__silenced.sender.replaceTrack(window.__silenced.track));
    await hint().waitFor({ state: 'detached' });
    await notice().waitFor({ state: 'detached' });
    await assertMediaFlows(doctor.page, 'the doctor');
  });

  step('the record of the call names it', async () => {
    await byTest(doctor.page, 'call-hangup').click();
    await byTest(patient.page, 'call-hangup').waitFor({ state: 'detached' });
    await byTest(doctor.page, 'call-record-link').last().click();
    const person = byTest(doctor.page, 'record-person').filter({ hasText: NAME });
    await person.locator('[data-testid=record-fault][data-fault=not_arriving]').waitFor();
    assert.equal(await times(), 1);
  });

  step('no console shows an error', () => {
    assert.deepEqual(patient.errors, []);
    assert.deepEqual(doctor.errors, []);
  });
});

// A camera is sent in several sizes: each receiver gets the one that fits where it is
// shown, and sizes that nobody watches are not sent at all.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { eventually, launchBrowser } from '../lib/browser.mjs';
import { House } from '../lib/house.mjs';
import { assertMediaFlows, received, sentLayers } from '../lib/media.mjs';
import { byTest, meet } from '../lib/people.mjs';
import { story } from '../lib/steps.mjs';

const NAME = 'Лев Юдин';

describe('the sizes of a picture', () => {
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

  const widthIs = (side, width, what) =>
    eventually(async () => {
      const last = side.frames ?? 0;
      const now = await received(side.page);
      side.frames = now.framesDecoded;
      return now.framesDecoded > last && now.width === width;
    }, what);

  /** The relay is asked for no more than these layers, and no others leave the browser. */
  const sendsOnly = (side, rids, what) =>
    eventually(async () => {
      const first = await sentLayers(side.page);
      await side.page.waitForTimeout(700);
      const second = await sentLayers(side.page);
      const grew = Object.keys(second).filter((rid) => second[rid] > (first[rid] ?? 0));
      return grew.sort().join() === [...rids].sort().join();
    }, what);

  step('a desk that shows the picture large gets it large', async () => {
    await byTest(doctor.page, 'call-video').click();
    await byTest(patient.page, 'incoming-accept').click();
    await assertMediaFlows(doctor.page, 'the doctor');
    await assertMediaFlows(patient.page, 'the patient');
    await widthIs(doctor, 1280, 'the doctor gets the largest picture');
  });

  step('what nobody watches is not sent', async () => {
    await sendsOnly(patient, ['f'], 'the patient sends one size');
  });

  step('a small window gets a small picture, and the patient sends nothing larger', async () => {
    await byTest(doctor.page, 'call-minimise').click();
    await byTest(doctor.page, 'call-expand').waitFor();
    await eventually(async () => (await received(doctor.page)).width < 1280, 'the picture is smaller');
    const { width } = await received(doctor.page);
    assert.ok(width === 320 || width === 640, `${width}`);
    await sendsOnly(patient, [width === 320 ? 'q' : 'h'], 'the patient sends the small size alone');
  });

  step('it grows again without a break', async () => {
    const small = await received(doctor.page);
    await byTest(doctor.page, 'call-expand').click();
    await widthIs(doctor, 1280, 'the largest picture is back');
    const large = await received(doctor.page);
    assert.equal(large.freezes, small.freezes, 'no freeze while the size changed');
    await byTest(doctor.page, 'call-hangup').click();
    await byTest(patient.page, 'call-hangup').waitFor({ state: 'detached' });
  });

  step('no console shows an error', () => {
    for (const side of [patient, doctor]) assert.deepEqual(side.errors, []);
  });
});

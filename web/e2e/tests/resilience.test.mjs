// What must survive: a server killed under a chat, a lost WebSocket under a call,
// a changed network path.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { eventually, launchBrowser } from '../lib/browser.mjs';
import { House } from '../lib/house.mjs';
import { assertMediaFlows, cutSockets } from '../lib/media.mjs';
import { bubble, byTest, meet, writes } from '../lib/people.mjs';
import { story } from '../lib/steps.mjs';

const NAME = 'Олег Тихонов';

describe('nothing is lost', () => {
  let house;
  let browser;
  let patient;
  let doctor;

  const step = story(() => ({ patient, doctor }));

  before(async () => {
    house = await House.start();
    browser = await launchBrowser();
    ({ patient, doctor } = await meet(browser, house, { phone: '9005553001', name: NAME, question: 'Первый вопрос' }));
  });

  after(async () => {
    await browser?.close();
    await house?.stop();
  });

  step('messages typed while the server is dead go out later, in order, once', async () => {
    await house.kill();
    const texts = ['один', 'два', 'три', 'четыре'].map((word) => `без связи ${word}`);
    for (const text of texts) {
      await writes(patient.page, text);
      await bubble(patient.page, text).waitFor();
    }
    assert.equal(await bubble(patient.page, texts[0]).getAttribute('data-state'), 'waiting');
    await house.restart();
    await bubble(doctor.page, texts[3]).waitFor({ timeout: 60_000 });
    for (const side of [patient, doctor]) {
      const shown = await eventually(async () => {
        const all = await byTest(side.page, 'message').allInnerTexts();
        const mine = all.map((t) => texts.findIndex((text) => t.includes(text))).filter((i) => i >= 0);
        return mine.length >= texts.length ? mine : null;
      }, 'all of them are shown');
      assert.deepEqual(shown, [0, 1, 2, 3]);
    }
  });

  step('a message typed offline survives a reload of the page', async () => {
    await house.kill();
    await writes(patient.page, 'пережило перезагрузку');
    await bubble(patient.page, 'пережило перезагрузку').waitFor();
    await house.restart();
    await patient.page.reload();
    await bubble(doctor.page, 'пережило перезагрузку').waitFor({ timeout: 60_000 });
    assert.equal(await bubble(doctor.page, 'пережило перезагрузку').count(), 1);
  });

  step('a call survives lost WebSockets', async () => {
    await byTest(doctor.page, 'call-video').click();
    await byTest(patient.page, 'incoming-accept').click();
    await assertMediaFlows(patient.page, 'the patient');
    await assertMediaFlows(doctor.page, 'the doctor');
    await cutSockets(patient.page);
    await cutSockets(doctor.page);
    await assertMediaFlows(patient.page, 'the patient');
    await assertMediaFlows(doctor.page, 'the doctor');
    await writes(doctor.page, 'после обрыва');
    await bubble(doctor.page, 'после обрыва').waitFor();
    await eventually(
      async () => /delivered|read/.test(await bubble(doctor.page, 'после обрыва').getAttribute('data-state')),
      'the sockets are back',
    );
  });

  step('a call survives a changed network path by ICE restart', async () => {
    const credentials = (page) =>
      page.evaluate(() => /a=ice-ufrag:(\S+)/.exec(window.__peers.at(-1).localDescription.sdp)[1]);
    const before = await credentials(patient.page);
    // What the app does when the system reports another network.
    await patient.page.evaluate(() => window.dispatchEvent(new Event('online')));
    await eventually(async () => (await credentials(patient.page)) !== before, 'new ICE credentials');
    await assertMediaFlows(patient.page, 'the patient');
    await assertMediaFlows(doctor.page, 'the doctor');
    await byTest(patient.page, 'call-hangup').click();
    await byTest(doctor.page, 'call-hangup').waitFor({ state: 'detached' });
  });
});

// What can be done with a message that was sent: answer it, change it, take it back,
// find it again; and a phone without a network that catches up with all of that.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { eventually, launchBrowser } from '../lib/browser.mjs';
import { House } from '../lib/house.mjs';
import { cutSockets } from '../lib/media.mjs';
import { bubble, byTest, meet, operatorSignsIn, writes } from '../lib/people.mjs';
import { story } from '../lib/steps.mjs';

const NAME = 'Нина Лебедева';

describe('answers, changes, and search', () => {
  let house;
  let browser;
  let patient;
  let doctor;

  const step = story(() => ({ patient, doctor }));

  before(async () => {
    house = await House.start();
    browser = await launchBrowser();
    ({ patient, doctor } = await meet(browser, house, { phone: '9005554001', name: NAME, question: 'Когда будут готовы результаты анализов крови?' }));
    // A reload would forget it.
    for (const side of [patient, doctor]) await side.page.evaluate(() => { window.__sameVisit = true; });
  });

  after(async () => {
    await browser?.close();
    await house?.stop();
  });

  const inView = (locator) => eventually(() => locator.evaluate((element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return top >= 0 && bottom <= window.innerHeight;
  }), 'the message is in view');

  const stored = (page, text) =>
    eventually(async () => /sent|delivered|read/.test(await bubble(page, text).last().getAttribute('data-state')), `${text} is stored`);

  async function says(side, text) {
    await writes(side.page, text);
    await stored(side.page, text);
  }

  /** The menu of the doctor's desk, by the button that comes with the pointer. */
  async function doctorChooses(text, action) {
    // The first: what it says is also in the answers that quote it.
    await bubble(doctor.page, text).first().hover();
    await bubble(doctor.page, text).first().getByTestId('message-menu').click();
    await byTest(doctor.page, `message-${action}`).click();
  }

  /** The menu of the phone, by a long press of a finger. */
  async function patientPresses(text) {
    const bubbleBox = bubble(patient.page, text).first().locator('.bubble');
    await bubbleBox.scrollIntoViewIfNeeded();
    const { x, y, width, height } = await bubbleBox.boundingBox();
    const touch = await patient.context.newCDPSession(patient.page);
    const point = { x: x + width / 2, y: y + height - 10 };
    await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [point] });
    await patient.page.locator('ion-action-sheet:visible').getByRole('button', { name: 'Отмена' }).waitFor();
    await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    await touch.detach();
  }

  async function patientChooses(text, action) {
    await patientPresses(text);
    await patient.page.locator('ion-action-sheet:visible').getByRole('button', { name: action }).click();
    await patient.page.locator('ion-action-sheet:visible').waitFor({ state: 'detached' });
  }

  async function patientDeletes(text) {
    await patientChooses(text, 'Удалить');
    await patient.page.locator('ion-alert:visible').getByRole('button', { name: 'Удалить' }).click();
    await patient.page.locator('ion-alert:visible').waitFor({ state: 'detached' });
  }

  const tombstones = (page) => page.locator('[data-testid="message"][data-kind="deleted"]:visible');

  step('an answer quotes what it answers; pressing the quote leads there', async () => {
    for (let n = 1; n <= 24; n += 1) await writes(patient.page, `наблюдение номер ${n}`);
    await stored(patient.page, 'наблюдение номер 24');
    await bubble(doctor.page, 'наблюдение номер 24').waitFor();
    await doctorChooses('анализов крови', 'reply');
    await byTest(doctor.page, 'aim-reply').waitFor();
    await says(doctor, 'Завтра после обеда');
    const answer = bubble(patient.page, 'Завтра после обеда');
    await answer.getByTestId('quote').filter({ hasText: 'анализов крови' }).waitFor();
    await answer.getByTestId('quote').click();
    await inView(bubble(patient.page, 'анализов крови').first());
    await byTest(patient.page, 'to-newest').click();

    await patientChooses('Завтра после обеда', 'Ответить');
    await byTest(patient.page, 'aim-reply').waitFor();
    await says(patient, 'Хорошо, спасибо');
    await bubble(doctor.page, 'Хорошо, спасибо').getByTestId('quote').filter({ hasText: 'Завтра' }).waitFor();
  });

  step('an edit is seen by the other side, in the message and where it is quoted', async () => {
    await patientChooses('Хорошо, спасибо', 'Изменить');
    await byTest(patient.page, 'aim-edit').waitFor();
    assert.equal(await byTest(patient.page, 'composer-input').inputValue(), 'Хорошо, спасибо');
    await writes(patient.page, 'Хорошо, приду завтра');
    await bubble(doctor.page, 'приду завтра').getByTestId('edited').waitFor();
    assert.equal(await bubble(doctor.page, 'Хорошо, спасибо').count(), 0);

    await doctorChooses('Завтра после обеда', 'edit');
    await writes(doctor.page, 'Послезавтра утром');
    await bubble(patient.page, 'Послезавтра утром').first().getByTestId('edited').waitFor();
    await bubble(patient.page, 'приду завтра').getByTestId('quote').filter({ hasText: 'Послезавтра' }).waitFor();
  });

  step('a deletion leaves a mark on both sides, also by the keyboard', async () => {
    await says(doctor, 'это не вам');
    await bubble(patient.page, 'это не вам').waitFor();
    await bubble(doctor.page, 'это не вам').getByTestId('message-menu').focus();
    await doctor.page.keyboard.press('Enter');
    await byTest(doctor.page, 'message-reply').waitFor();
    await doctor.page.keyboard.press('ArrowUp');
    await doctor.page.keyboard.press('Enter');
    await byTest(doctor.page, 'delete-confirm').click();
    await tombstones(patient.page).waitFor();
    await tombstones(doctor.page).waitFor();
    assert.equal(await bubble(patient.page, 'это не вам').count(), 0);
    // Nobody changes what another wrote.
    await bubble(doctor.page, 'приду завтра').click({ button: 'right' });
    await byTest(doctor.page, 'message-reply').waitFor();
    assert.equal(await byTest(doctor.page, 'message-edit').count(), 0);
    await doctor.page.keyboard.press('Escape');
  });

  step('the arrow up in an empty field takes the last own message', async () => {
    await byTest(doctor.page, 'composer-input').focus();
    await doctor.page.keyboard.press('ArrowUp');
    await byTest(doctor.page, 'aim-edit').filter({ hasText: 'Послезавтра утром' }).waitFor();
    await doctor.page.keyboard.press('Escape');
    await byTest(doctor.page, 'aim-edit').waitFor({ state: 'detached' });
  });

  step('another form of a word finds the message in the list, and a press leads to it', async () => {
    await byTest(doctor.page, 'tab-queue').click();
    await byTest(doctor.page, 'search').fill('анализы');
    const hit = byTest(doctor.page, 'message-hit').filter({ hasText: NAME });
    await hit.locator('mark').filter({ hasText: 'анализов' }).waitFor();
    await hit.click();
    const message = bubble(doctor.page, 'анализов крови').first();
    await message.locator('mark').filter({ hasText: 'анализов' }).waitFor();
    await inView(message);
    assert.ok(await byTest(doctor.page, 'jump-newest').isVisible(), 'it is not at the newest');
    // Neither the former words of an edit nor what was deleted.
    for (const gone of ['спасибо', 'это не вам']) {
      await byTest(doctor.page, 'search').fill(gone);
      await eventually(async () => (await doctor.page.url()).includes(encodeURIComponent(gone.split(' ')[0])), 'it is looked for');
      await eventually(async () => {
        const shown = await byTest(doctor.page, 'message-hit').filter({ hasText: NAME }).count();
        return shown === 0;
      }, `${gone} is not found`);
    }
    await byTest(doctor.page, 'search').fill('');
    await byTest(doctor.page, 'message-hit').first().waitFor({ state: 'detached' });
  });

  step('a search in the conversation goes from hit to hit, on both sides', async () => {
    for (const side of [doctor, patient]) {
      await byTest(side.page, 'find').click();
      await byTest(side.page, 'find-input').fill('наблюдения номер');
      await byTest(side.page, 'find-said').filter({ hasText: '1 из 20' }).waitFor();
      await inView(bubble(side.page, 'наблюдение номер 24').first());
      await byTest(side.page, 'find-older').click();
      await byTest(side.page, 'find-said').filter({ hasText: '2 из 20' }).waitFor();
      await inView(bubble(side.page, 'наблюдение номер 23').first());
      assert.equal(await bubble(side.page, 'наблюдение номер 23').locator('mark').count(), 2);
      await byTest(side.page, 'find-newer').click();
      await byTest(side.page, 'find-said').filter({ hasText: '1 из 20' }).waitFor();
      await byTest(side.page, 'find-input').fill('перелом');
      await byTest(side.page, 'find-said').filter({ hasText: /Н(ичего н)?е нашлось/ }).waitFor();
      await byTest(side.page, 'find-close').click();
      assert.equal(await side.page.locator('mark:visible').count(), 0);
    }
  });

  step('what was changed, deleted and sent while the phone had no network is there afterwards', async () => {
    await says(doctor, 'Натощак, воды можно');
    await says(doctor, 'Кабинет 12');
    await bubble(patient.page, 'Кабинет 12').waitFor();
    await says(patient, 'А кофе?');
    await patient.context.setOffline(true);
    await cutSockets(patient.page);
    await byTest(patient.page, 'offline-bar').waitFor();

    await doctorChooses('Натощак, воды можно', 'edit');
    await writes(doctor.page, 'Натощак, воду тоже не пить');
    await doctorChooses('Кабинет 12', 'delete');
    await byTest(doctor.page, 'delete-confirm').click();
    await says(doctor, 'Кабинет 21');
    await patientChooses('А кофе?', 'Изменить');
    await writes(patient.page, 'А чай?');
    await patientDeletes('приду завтра');
    await writes(patient.page, 'Паспорт брать?');
    // Without a network it is as it will be.
    await bubble(patient.page, 'А чай?').waitFor();
    assert.equal(await bubble(patient.page, 'А чай?').getAttribute('data-change'), 'waiting');
    assert.equal(await bubble(patient.page, 'Кабинет 12').count(), 1);

    await patient.context.setOffline(false);
    for (const { page } of [patient, doctor]) {
      await bubble(page, 'Натощак, воду тоже не пить').getByTestId('edited').waitFor({ timeout: 60_000 });
      await bubble(page, 'А чай?').getByTestId('edited').waitFor();
      await bubble(page, 'Кабинет 21').waitFor();
      await bubble(page, 'Паспорт брать?').waitFor();
      await eventually(async () => (await tombstones(page).count()) === 3, 'three were deleted');
      for (const gone of ['Кабинет 12', 'воды можно', 'А кофе?', 'приду завтра']) {
        assert.equal(await bubble(page, gone).count(), 0, gone);
      }
      assert.ok(await page.evaluate(() => window.__sameVisit), 'without a reload');
    }
    const seqs = (page) => byTest(page, 'message').evaluateAll((all) => all.map((one) => Number(one.dataset.seq)));
    await eventually(async () => !(await byTest(patient.page, 'message').last().getAttribute('data-change')), 'nothing waits');
    assert.deepEqual(await seqs(patient.page), await seqs(doctor.page));
  });

  step('a change that comes too late is refused, and says so', async () => {
    await doctor.context.setOffline(true);
    await cutSockets(doctor.page);
    await doctorChooses('Кабинет 21', 'edit');
    await writes(doctor.page, 'Кабинет 22');
    await bubble(doctor.page, 'Кабинет 22').waitFor();
    // The same doctor at another desk ends the consultation meanwhile.
    const elsewhere = await operatorSignsIn(browser, house, { email: 'petrov@demo.housecall' });
    await byTest(elsewhere.page, 'tab-mine').click();
    await byTest(elsewhere.page, 'queue-row').filter({ hasText: NAME }).first().click();
    await byTest(elsewhere.page, 'close-consultation').click();
    await byTest(elsewhere.page, 'close-confirm').click();
    await byTest(elsewhere.page, 'read-only').waitFor();
    await doctor.context.setOffline(false);
    await byTest(doctor.page, 'change-refused').filter({ hasText: 'Изменение не сохранено' }).waitFor({ timeout: 60_000 });
    await bubble(doctor.page, 'Кабинет 21').waitFor();
    assert.equal(await bubble(patient.page, 'Кабинет 22').count(), 0);
    await byTest(doctor.page, 'change-refused').getByRole('button').click();
    await byTest(doctor.page, 'change-refused').waitFor({ state: 'detached' });
  });

  step('no console shows an error', () => {
    for (const [who, side] of Object.entries({ patient, doctor })) {
      const own = side.errors.filter((line) => !/ERR_INTERNET_DISCONNECTED|WebSocket/.test(line));
      assert.deepEqual(own, [], who);
    }
  });
});

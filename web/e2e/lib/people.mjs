// What people do: sign in, ask, take, write, call.
import { openPerson } from './browser.mjs';

export const DEMO_PASSWORD = 'demo-housecall';

const id = (name) => `[data-testid="${name}"]`;
export const byTest = (page, name) => page.locator(`${id(name)}:visible`);

/** A patient at phone size, signed in by the code that demo mode shows. */
export async function patientSignsIn(browser, house, { phone, name, ...options }) {
  const person = await openPerson(browser, { house, device: 'phone', ...options });
  const { page } = person;
  await page.goto('/');
  // Typed after the country code, digit by digit, as a person would: the field masks.
  await byTest(page, 'phone-input').pressSequentially(phone);
  await byTest(page, 'phone-submit').click();
  const code = (await byTest(page, 'demo-code').innerText()).replace(/\D/g, '');
  await byTest(page, 'code-input').fill(code);
  if (name) {
    await byTest(page, 'profile-name').fill(name);
    await byTest(page, 'profile-submit').click();
  }
  await byTest(page, 'ask-question').waitFor();
  return person;
}

/** An operator at a desk; `landing` is what their first page shows. */
export async function operatorSignsIn(browser, house, { email, landing = 'tab-queue', ...options }) {
  const person = await openPerson(browser, { house, device: 'desktop', ...options });
  const { page } = person;
  await page.goto('/portal/');
  await byTest(page, 'login-email').fill(email);
  await byTest(page, 'login-password').fill(DEMO_PASSWORD);
  await byTest(page, 'login-submit').click();
  await byTest(page, landing).first().waitFor();
  return person;
}

export async function writes(page, text) {
  await byTest(page, 'composer-input').fill(text);
  await byTest(page, 'composer-send').click();
}

/** The bubble with this text. */
export const bubble = (page, text) => byTest(page, 'message').filter({ hasText: text });

/** A patient asks a question; it is in the conversation. */
export async function asks(page, question) {
  await byTest(page, 'ask-question').click();
  await writes(page, question);
  await bubble(page, question).waitFor();
}

/** An operator takes the first consultation of that patient in the queue. */
export async function takes(page, patientName) {
  await byTest(page, 'queue-row').filter({ hasText: patientName }).first().click();
  await byTest(page, 'claim').click();
  await byTest(page, 'close-consultation').waitFor();
}

/** A patient with a question, and the doctor who took it. */
export async function meet(browser, house, { phone, name, question, ...look }) {
  const patient = await patientSignsIn(browser, house, { phone, name, ...look });
  await asks(patient.page, question);
  const doctor = await operatorSignsIn(browser, house, { email: 'petrov@demo.housecall', ...look });
  await takes(doctor.page, name);
  return { patient, doctor };
}

/** The patient's tab; a conversation fills the screen, so back first. */
export async function patientGoes(page, tab) {
  if (await byTest(page, `tab-${tab}`).isHidden()) await byTest(page, 'back').click();
  await byTest(page, `tab-${tab}`).click();
}

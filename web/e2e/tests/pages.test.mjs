// Every page in both languages and both themes: no rule of accessibility broken, no
// console error, nothing wider than the screen. The pictures are in `artifacts/pages`.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';

import { launchBrowser } from '../lib/browser.mjs';
import { House } from '../lib/house.mjs';
import { byTest, operatorSignsIn, patientGoes, patientSignsIn } from '../lib/people.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PICTURES = 'artifacts/pages';
const LOOKS = [
  { locale: 'ru-RU', theme: 'light' },
  { locale: 'en-GB', theme: 'dark' },
];

/** Photographs the page and returns what is wrong with it, of what can be checked of any page. */
async function judge({ page }, name) {
  // Skeletons and transitions have their end states within this.
  await page.waitForLoadState('networkidle');
  await page.waitForTimeout(500);
  await page.screenshot({ path: `${PICTURES}/${name}.png` });
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  const faults = overflow > 0 ? [`${name} is ${overflow} px wider than the screen`] : [];
  // evaluate, not a script tag: the pages' content policy admits no inline script.
  await page.evaluate(AXE);
  const broken = await page.evaluate(async () => {
    const rules = { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] };
    const { violations } = await window.axe.run(document, rules);
    return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).slice(0, 4).join(', ')}`);
  });
  return [...faults, ...broken.map((fault) => `${name}: ${fault}`)];
}

for (const look of LOOKS) {
  const suffix = `${look.locale.slice(0, 2)}-${look.theme}`;

  describe(`pages, ${suffix}`, () => {
    let house;
    let browser;

    before(async () => {
      mkdirSync(PICTURES, { recursive: true });
      house = await House.start();
      browser = await launchBrowser();
    });

    after(async () => {
      await browser?.close();
      await house?.stop();
    });

    test('the patient app', async () => {
      const faults = [];
      // A patient of the demo, with a history.
      const patient = await patientSignsIn(browser, house, { phone: '9000000024', ...look });
      faults.push(...(await judge(patient, `patient-home-${suffix}`)));
      await patientGoes(patient.page, 'history');
      await byTest(patient.page, 'history-item').first().waitFor();
      faults.push(...(await judge(patient, `patient-history-${suffix}`)));
      await byTest(patient.page, 'history-item').first().click();
      await byTest(patient.page, 'conclusion').waitFor();
      faults.push(...(await judge(patient, `patient-consultation-${suffix}`)));
      await byTest(patient.page, 'back').click();
      await patientGoes(patient.page, 'chat');
      await byTest(patient.page, 'composer-input').waitFor();
      faults.push(...(await judge(patient, `patient-chat-${suffix}`)));
      await patientGoes(patient.page, 'profile');
      faults.push(...(await judge(patient, `patient-profile-${suffix}`)));
      await patientGoes(patient.page, 'home');
      await byTest(patient.page, 'callback-open').click();
      await byTest(patient.page, 'callback-reason').waitFor();
      faults.push(...(await judge(patient, `patient-callback-${suffix}`)));
      assert.deepEqual([...faults, ...patient.errors], []);
    });

    test('the portal', async () => {
      const faults = [];
      const doctor = await operatorSignsIn(browser, house, { email: 'petrov@demo.housecall', ...look });
      await byTest(doctor.page, 'queue-row').first().click();
      await byTest(doctor.page, 'composer-input').or(byTest(doctor.page, 'claim')).first().waitFor();
      faults.push(...(await judge(doctor, `portal-desk-${suffix}`)));
      await byTest(doctor.page, 'tab-archive').click();
      await byTest(doctor.page, 'queue-row').first().click();
      faults.push(...(await judge(doctor, `portal-archive-${suffix}`)));
      await byTest(doctor.page, 'nav-requests').click();
      await byTest(doctor.page, 'request-row').first().waitFor();
      faults.push(...(await judge(doctor, `portal-requests-${suffix}`)));
      await byTest(doctor.page, 'nav-clients').click();
      faults.push(...(await judge(doctor, `portal-clients-${suffix}`)));
      await doctor.page.setViewportSize({ width: 390, height: 844 });
      await doctor.page.goto('/portal/');
      await byTest(doctor.page, 'tab-queue').waitFor();
      faults.push(...(await judge(doctor, `portal-phone-${suffix}`)));
      assert.deepEqual([...faults, ...doctor.errors], []);
    });

    test('the administrator', async () => {
      const faults = [];
      const admin = await adminSignsIn(look);
      faults.push(...(await judge(admin, `portal-operators-${suffix}`)));
      assert.deepEqual([...faults, ...admin.errors], []);
    });

    async function adminSignsIn(options) {
      return operatorSignsIn(browser, house, {
        email: 'admin@demo.housecall',
        landing: 'operator-row',
        ...options,
      });
    }
  });
}

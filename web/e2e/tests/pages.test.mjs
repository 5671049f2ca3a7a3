// Every page in both languages and both themes: no rule of accessibility broken, no
// console error, nothing wider than the screen. The pictures are in `artifacts/pages`.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { launchBrowser } from '../lib/browser.mjs';
import { House } from '../lib/house.mjs';
import { judge, LOOKS, suffixOf } from '../lib/judge.mjs';
import { byTest, operatorSignsIn, patientGoes, patientSignsIn } from '../lib/people.mjs';

for (const look of LOOKS) {
  const suffix = suffixOf(look);

  describe(`pages, ${suffix}`, () => {
    let house;
    let browser;

    before(async () => {
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
      await byTest(patient.page, 'find').click();
      await byTest(patient.page, 'find-input').fill('анализы');
      await patient.page.locator('mark').first().waitFor();
      faults.push(...(await judge(patient, `patient-find-${suffix}`)));
      await byTest(patient.page, 'find-close').click();
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
      await byTest(doctor.page, 'search').fill('анализы');
      await byTest(doctor.page, 'message-hit').first().click();
      await byTest(doctor.page, 'message').locator('mark').first().waitFor();
      faults.push(...(await judge(doctor, `portal-search-${suffix}`)));
      await byTest(doctor.page, 'nav-requests').click();
      await byTest(doctor.page, 'request-row').first().waitFor();
      faults.push(...(await judge(doctor, `portal-requests-${suffix}`)));
      await byTest(doctor.page, 'nav-clients').click();
      faults.push(...(await judge(doctor, `portal-clients-${suffix}`)));
      await byTest(doctor.page, 'nav-calls').click();
      await byTest(doctor.page, 'calls-ended').click();
      await byTest(doctor.page, 'call-row').first().waitFor();
      faults.push(...(await judge(doctor, `portal-calls-${suffix}`)));
      await byTest(doctor.page, 'call-row').first().getByRole('link').click();
      await byTest(doctor.page, 'record-person').first().waitFor();
      faults.push(...(await judge(doctor, `portal-call-record-${suffix}`)));
      await byTest(doctor.page, 'call-record-close').click();
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

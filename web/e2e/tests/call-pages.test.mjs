// Every state of the call screens in both languages and both themes, on a phone and at
// a desk: no rule of accessibility broken, no console error, nothing wider than the
// screen. The pictures are in `artifacts/pages`.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { launchBrowser } from '../lib/browser.mjs';
import { inPanel, opensPeople } from '../lib/group.mjs';
import { House } from '../lib/house.mjs';
import { judge, LOOKS, suffixOf } from '../lib/judge.mjs';
import { assertMediaFlows } from '../lib/media.mjs';
import { byTest, meet, operatorSignsIn } from '../lib/people.mjs';

const PHONE = { width: 390, height: 844 };
const NAMES = { ru: { patient: 'Нина Белых', colleague: 'Мария Соколова' }, en: { patient: 'Nina Belykh', colleague: 'Мария Соколова' } };

for (const look of LOOKS) {
  const suffix = suffixOf(look);
  const names = NAMES[suffix.slice(0, 2)];

  describe(`call pages, ${suffix}`, () => {
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

    test('from the first ring to the record', async () => {
      const faults = [];
      const see = async (person, name) => faults.push(...(await judge(person, `${name}-${suffix}`)));

      const { patient, doctor } = await meet(browser, house, { phone: '9005555001', name: names.patient, question: 'Болит', ...look });

      await byTest(doctor.page, 'call-video').click();
      await byTest(patient.page, 'incoming-accept').waitFor();
      await see(patient, 'patient-incoming');
      await byTest(patient.page, 'incoming-accept').click();
      await assertMediaFlows(doctor.page, 'the doctor');
      await assertMediaFlows(patient.page, 'the patient');
      await patient.page.touchscreen.tap(195, 420);
      await byTest(patient.page, 'call-quality').click();
      await see(patient, 'patient-call');
      await byTest(doctor.page, 'call-quality').click();
      await see(doctor, 'portal-call');

      const colleague = await operatorSignsIn(browser, house, { email: 'sokolova@demo.housecall', ...look });
      await opensPeople(doctor.page);
      await byTest(doctor.page, 'call-invite').click();
      await byTest(doctor.page, 'invite-operator').filter({ hasText: names.colleague }).click();
      await see(doctor, 'portal-call-invite');
      await byTest(doctor.page, 'invite-confirm').click();
      await byTest(colleague.page, 'incoming').waitFor();
      await see(colleague, 'portal-call-invited');
      await see(patient, 'patient-call-ringing-guest');
      await byTest(colleague.page, 'incoming-accept').click();
      await byTest(colleague.page, 'call-hand').click();
      await inPanel(doctor.page, names.colleague).getByTestId('person-hand').waitFor();
      await see(doctor, 'portal-call-three');
      await see(patient, 'patient-call-three');

      await inPanel(doctor.page, names.patient).getByTestId('person-microphone').click();
      await byTest(patient.page, 'call-notice').waitFor();
      await see(patient, 'patient-call-muted');
      await inPanel(doctor.page, names.patient).getByTestId('person-microphone').click();
      await byTest(patient.page, 'call-asked').waitFor();
      await see(patient, 'patient-call-asked');
      await byTest(patient.page, 'call-asked-no').click();

      await byTest(colleague.page, 'call-screen').click();
      await byTest(patient.page, 'remote-screen').waitFor();
      await byTest(doctor.page, 'remote-screen').waitFor();
      await see(doctor, 'portal-call-screen');
      await see(patient, 'patient-call-screen');
      await doctor.page.setViewportSize(PHONE);
      await see(doctor, 'portal-call-people-phone');
      await byTest(doctor.page, 'call-people-panel').getByRole('button').first().click();
      await see(doctor, 'portal-call-screen-phone');
      await byTest(colleague.page, 'call-screen').click();
      await byTest(doctor.page, 'remote-screen').waitFor({ state: 'detached' });
      await see(doctor, 'portal-call-three-phone');

      const supervisor = await operatorSignsIn(browser, house, { email: 'supervisor@demo.housecall', ...look });
      await byTest(supervisor.page, 'nav-calls').click();
      await byTest(supervisor.page, 'call-listen').waitFor();
      await see(supervisor, 'portal-calls-running');
      await byTest(supervisor.page, 'call-listen').click();
      await byTest(supervisor.page, 'call-listening').waitFor();
      await byTest(supervisor.page, 'call-tile').nth(2).waitFor();
      await see(supervisor, 'portal-call-listening');
      await byTest(patient.page, 'call-hangup').click();
      await byTest(doctor.page, 'call-hangup').waitFor({ state: 'detached' });

      const errors = [patient, doctor, colleague, supervisor].flatMap((person) => person.errors);
      assert.deepEqual([...faults, ...errors], []);
    });
  });
}

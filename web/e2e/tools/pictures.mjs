// Takes the README's pictures of the running product.
// HOUSECALL_BIN=... node tools/pictures.mjs DIRECTORY
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { launchBrowser } from '../lib/browser.mjs';
import { png } from '../lib/fixtures.mjs';
import { House } from '../lib/house.mjs';
import { assertMediaFlows } from '../lib/media.mjs';
import { bubble, byTest, operatorSignsIn, patientSignsIn, writes } from '../lib/people.mjs';

const out = process.argv[2];
if (!out) throw new Error('usage: pictures.mjs DIRECTORY');
mkdirSync(out, { recursive: true });

/** A camera that sees somebody against a wall, as an uncompressed video of one frame. */
function cameraFile(directory) {
  const [width, height] = [1280, 720];
  const luma = Buffer.alloc(width * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const head = Math.hypot(x - 640, (y - 280) * 0.85) < 120;
      const body = y > 430 && Math.hypot((x - 640) * 0.62, y - 720) < 290;
      const wall = 150 - 70 * Math.hypot((x - 640) / width, (y - 300) / height);
      luma[y * width + x] = head ? 172 : body ? 118 : wall;
    }
  }
  const chroma = (value) => Buffer.alloc((width * height) / 4, value);
  const path = join(directory, 'camera.y4m');
  const frame = Buffer.concat([Buffer.from('FRAME\n'), luma, chroma(134), chroma(118)]);
  writeFileSync(path, Buffer.concat([Buffer.from(`YUV4MPEG2 W${width} H${height} F30:1 Ip A1:1 C420jpeg\n`), frame, frame]));
  return path;
}

const scratch = mkdtempSync(join(tmpdir(), 'housecall-pictures-'));
const house = await House.start();
const browser = await launchBrowser([`--use-file-for-fake-video-capture=${cameraFile(scratch)}`]);
try {
  const patient = await patientSignsIn(browser, house, { phone: '9000000024' });
  const doctor = await operatorSignsIn(browser, house, { email: 'petrov@demo.housecall' });
  const shot = (page, name) => page.screenshot({ path: join(out, `${name}.png`) });

  await byTest(patient.page, 'ask-question').click();
  await writes(patient.page, 'Здравствуйте! Второй день держится 38,2 и болит горло. Какое лекарство можно при кормлении грудью?');
  await patient.page.setInputFiles('[data-testid="attach-input"]', {
    name: 'горло.png',
    mimeType: 'image/png',
    buffer: png(960, 620, [201, 132, 120]),
  });
  await byTest(doctor.page, 'queue-row').filter({ hasText: 'Анна Смирнова' }).first().click();
  await byTest(doctor.page, 'claim').click();
  await byTest(doctor.page, 'composer-input').waitFor();
  await writes(doctor.page, 'Здравствуйте, Анна. Фото вижу. Есть ли налёт, боль при глотании, аллергия на лекарства?');
  await bubble(patient.page, 'Фото вижу').waitFor();
  await writes(patient.page, 'Налёта нет, глотать больно');
  await bubble(doctor.page, 'Налёта нет').waitFor();
  await doctor.page.waitForTimeout(1500);
  await shot(doctor.page, 'portal-desk');
  await shot(patient.page, 'patient-chat');

  await byTest(doctor.page, 'call-video').click();
  await byTest(patient.page, 'incoming-accept').click();
  await assertMediaFlows(patient.page, 'the patient');
  await assertMediaFlows(doctor.page, 'the doctor');
  // Long enough for the first quality report.
  await patient.page.waitForTimeout(4000);
  await patient.page.touchscreen.tap(195, 420);
  await shot(patient.page, 'patient-call');
  await shot(doctor.page, 'portal-call');
  await byTest(doctor.page, 'call-hangup').click();

  await byTest(doctor.page, 'nav-requests').click();
  await byTest(doctor.page, 'request-row').first().waitFor();
  await shot(doctor.page, 'portal-requests');
} finally {
  await browser.close();
  await house.stop();
  rmSync(scratch, { recursive: true, force: true });
}

// Files: an upload that outlives its connection, and a photo that keeps its secrets.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe } from 'node:test';

import { eventually, launchBrowser } from '../lib/browser.mjs';
import { jpegWithSecrets, SECRET } from '../lib/fixtures.mjs';
import { House } from '../lib/house.mjs';
import { byTest, meet } from '../lib/people.mjs';
import { story } from '../lib/steps.mjs';

const NAME = 'Вера Долгих';
const FILM_BYTES = 6 * 1024 * 1024;
const SLOW_BYTES_PER_S = 1024 * 1024;

/** An MP4 of the right form, whose film is noise: like nothing else. */
function film() {
  const head = Buffer.from('\0\0\0\x20ftypisom\0\0\x02\0isomiso2mp41mp42', 'latin1');
  const media = Buffer.from('\0\0\0\0mdat', 'latin1');
  media.writeUInt32BE(FILM_BYTES - head.length);
  return Buffer.concat([head, media, randomBytes(FILM_BYTES - head.length - media.length)]);
}

/** Bytes of what the page saves when the file is pressed. */
async function saved(page, file) {
  const [download] = await Promise.all([page.waitForEvent('download'), file.click()]);
  const chunks = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

describe('files', () => {
  let house;
  let browser;
  let patient;
  let doctor;

  const step = story(() => ({ patient, doctor }));

  before(async () => {
    house = await House.start();
    browser = await launchBrowser();
    ({ patient, doctor } = await meet(browser, house, { phone: '9005553101', name: NAME, question: 'Сейчас пришлю запись' }));
  });

  after(async () => {
    await browser?.close();
    await house?.stop();
  });

  step('an upload goes on where the connection was lost', async () => {
    const bytes = film();
    const offsets = [];
    patient.page.on('request', (request) => {
      if (request.method() === 'PATCH') offsets.push(Number(request.headers()['upload-offset']));
    });
    const network = await patient.page.context().newCDPSession(patient.page);
    const throttle = (uploadThroughput) =>
      network.send('Network.emulateNetworkConditions', {
        offline: false, latency: 0, downloadThroughput: -1, uploadThroughput,
      });
    await network.send('Network.enable');
    await throttle(SLOW_BYTES_PER_S);
    await patient.page.setInputFiles('[data-testid="attach-input"]', {
      name: 'Походка.mp4', mimeType: 'video/mp4', buffer: bytes,
    });
    const progress = patient.page.locator('progress.upload');
    await eventually(
      async () => Number(await progress.first().getAttribute('value').catch(() => 0)) >= 40,
      'a good part of it is on its way',
    );
    await house.kill();
    await throttle(-1);
    await house.restart();
    const file = byTest(doctor.page, 'message').getByTestId('file').filter({ hasText: 'Походка.mp4' });
    await file.waitFor({ timeout: 60_000 });
    assert.equal(sha256(await saved(doctor.page, file)), sha256(bytes));
    assert.ok(offsets.some((offset) => offset > 0), `resumed, not begun anew: ${offsets}`);
    assert.equal(await file.count(), 1);
  });

  step('a photo is upright, small in the chat, and says nothing of its place', async () => {
    const photo = await jpegWithSecrets(patient.page, { width: 1600, height: 900 });
    assert.ok(photo.includes(SECRET));
    const fetched = [];
    doctor.page.on('request', (request) => fetched.push(new URL(request.url()).pathname));
    await patient.page.setInputFiles('[data-testid="attach-input"]', {
      name: 'Сыпь.jpg', mimeType: 'image/jpeg', buffer: photo,
    });
    const image = byTest(doctor.page, 'image').last();
    await image.waitFor({ timeout: 30_000 });
    const size = await eventually(
      () => image.evaluate(({ naturalWidth, naturalHeight }) => naturalWidth > 0 && [naturalWidth, naturalHeight]),
      'the thumbnail is there',
    );
    assert.deepEqual(size, [360, 640], 'turned, and a thumbnail');
    assert.ok(fetched.some((path) => path.endsWith('/thumbnail')));
    await image.click();
    const whole = byTest(doctor.page, 'viewer').locator('img');
    await eventually(() => whole.evaluate((shown) => shown.naturalHeight === 1600), 'the whole photo is shown');
    const kept = await saved(doctor.page, byTest(doctor.page, 'viewer').getByRole('button').first());
    assert.equal(kept.readUInt16BE(0), 0xffd8, 'a JPEG');
    assert.ok(!kept.includes(SECRET), 'the place is gone');
    await byTest(doctor.page, 'viewer-close').click();
  });
});

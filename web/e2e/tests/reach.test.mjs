// The ways of media out of a network that lets little through: the relay's own TCP
// port, and TURN over UDP, TCP and TLS.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { eventually, launchBrowser } from '../lib/browser.mjs';
import { Coturn } from '../lib/coturn.mjs';
import { House } from '../lib/house.mjs';
import { assertMediaFlows } from '../lib/media.mjs';
import { byTest, meet } from '../lib/people.mjs';
import { story } from '../lib/steps.mjs';

const NAME = 'Нина Сетевая';

// Narrows what peer connections of the page may use to `window.__network`: `relay`, the
// one TURN address, or `transport`, that of the relay's candidates.
function narrowNetwork() {
  const Peer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(configuration) {
      const relay = window.__network?.relay;
      if (!relay) {
        super(configuration);
        return;
      }
      const iceServers = configuration.iceServers
        .map((server) => ({ ...server, urls: server.urls.filter((url) => url === relay) }))
        .filter((server) => server.urls.length > 0);
      super({ ...configuration, iceServers, iceTransportPolicy: 'relay' });
    }

    setRemoteDescription(description) {
      const transport = window.__network?.transport;
      const others = (line) => /^a=candidate:/.test(line) && !line.includes(` ${transport} `);
      const lines = description.sdp.split('\r\n').filter((line) => !transport || !others(line));
      return super.setRemoteDescription({ ...description, sdp: lines.join('\r\n') });
    }
  };
}

/** What the page's connection goes over: its own candidate of the selected pair. */
const selected = (page) =>
  page.evaluate(async () => {
    const stats = await window.__peers.at(-1).getStats();
    const transport = [...stats.values()].find((report) => report.type === 'transport');
    const pair = stats.get(transport?.selectedCandidatePairId);
    const local = stats.get(pair?.localCandidateId);
    return local && { type: local.candidateType, protocol: local.protocol, relay: local.relayProtocol };
  });

describe('a call out of a closed network', () => {
  let coturn;
  let house;
  let browser;
  let patient;
  let doctor;

  const step = story(() => ({ patient, doctor }));

  before(async () => {
    coturn = await Coturn.start();
    house = await House.start({ env: coturn.env });
    // The certificate of the TURN server is signed by nobody the browser knows.
    browser = await launchBrowser(['--ignore-certificate-errors']);
    const options = { init: narrowNetwork };
    ({ patient, doctor } = await meet(browser, house, { phone: '9005554001', name: NAME, question: 'Слышно ли меня?', ...options }));
  });

  after(async () => {
    await browser?.close();
    await house?.stop();
    await coturn?.stop();
  });

  async function callsOver(network, expected) {
    for (const { page } of [patient, doctor]) {
      await page.evaluate((value) => {
        window.__network = value;
      }, network);
    }
    await byTest(doctor.page, 'call-video').click();
    await byTest(patient.page, 'incoming-accept').click();
    await assertMediaFlows(patient.page, 'the patient');
    await assertMediaFlows(doctor.page, 'the doctor');
    for (const { page } of [patient, doctor]) {
      const used = await eventually(() => selected(page), 'a selected pair');
      assert.deepEqual({ ...used, ...expected }, used);
    }
    await byTest(patient.page, 'call-hangup').click();
    await byTest(doctor.page, 'call-hangup').waitFor({ state: 'detached' });
  }

  step('takes UDP where it can', () => callsOver(null, { protocol: 'udp', relay: undefined }));
  step('reaches the relay itself by TCP', () => callsOver({ transport: 'tcp' }, { protocol: 'tcp' }));
  step('goes by TURN over UDP', () => callsOver({ relay: coturn.urls.udp }, { type: 'relay', relay: 'udp' }));
  step('goes by TURN over TCP', () => callsOver({ relay: coturn.urls.tcp }, { type: 'relay', relay: 'tcp' }));
  step('goes by TURN over TLS', () => callsOver({ relay: coturn.urls.tls }, { type: 'relay', relay: 'tls' }));
});

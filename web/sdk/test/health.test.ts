import { describe, expect, it } from 'vitest';

import { Health, trackReports, type Expected } from '../src/call/health';
import { measure, reading } from '../src/call/stats';
import { DOCTOR, ON, party, PATIENT, slot } from './call-views';

type Entries = Parameters<typeof reading>[0];

const entry = (change: Partial<Entries[number]> & { type: string }) => ({ id: change.type + (change.mid ?? ''), timestamp: 0, ...change });

/** What arrives after so many looks, of a call of two. */
function at(look: number, change: { audio?: object; video?: object; up?: object; source?: object } = {}) {
  const timestamp = look * 4_000;
  return reading([
    entry({ type: 'inbound-rtp', kind: 'audio', mid: '0', timestamp, packetsReceived: 200 * look, totalSamplesReceived: 190_000 * look, ...change.audio }),
    entry({ type: 'inbound-rtp', kind: 'video', mid: '1', timestamp, packetsReceived: 400 * look, framesDecoded: 120 * look, ...change.video }),
    entry({ type: 'outbound-rtp', kind: 'audio', mid: '0', timestamp, packetsSent: 200 * look, mediaSourceId: 'source', ...change.up }),
    entry({ id: 'source', type: 'media-source', kind: 'audio', totalAudioEnergy: look, ...change.source }),
  ], 'connected');
}

const expected: Expected = {
  me: DOCTOR,
  slots: [slot('0', PATIENT, 'microphone'), slot('1', PATIENT, 'camera')],
  parties: [party(DOCTOR), party(PATIENT)],
  sends: ON,
  own: { microphone: '0', camera: '1' },
  local: { microphone: { muted: false, readyState: 'live' } as MediaStreamTrack, camera: null },
};

/** The faults that stand after five looks. */
function after(change: Parameters<typeof at>[1], what: Partial<Expected> = {}) {
  const health = new Health();
  let found: ReturnType<Health['look']> = [];
  for (let look = 1; look <= 5; look += 1) found = health.look(at(look - 1, change), at(look, change), { ...expected, ...what });
  return found;
}

describe('what does not flow', () => {
  it('is nothing in a good call', () => {
    expect(after({})).toEqual([]);
  });

  it('is named by where it stops', () => {
    expect(after({ audio: { packetsReceived: 7 } })).toEqual([{ person: PATIENT, source: 'microphone', fault: 'not_received' }]);
    expect(after({ video: { framesDecoded: 3 } })).toEqual([{ person: PATIENT, source: 'camera', fault: 'not_decoded' }]);
    expect(after({ audio: { totalSamplesReceived: 1 } })).toEqual([{ person: PATIENT, source: 'microphone', fault: 'not_decoded' }]);
    expect(after({ source: { totalAudioEnergy: 0 } })).toEqual([{ person: DOCTOR, source: 'microphone', fault: 'no_signal' }]);
    const dead = { microphone: { muted: true, readyState: 'live' } as MediaStreamTrack, camera: null };
    expect(after({}, { local: dead })).toEqual([{ person: DOCTOR, source: 'microphone', fault: 'no_signal' }]);
  });

  it('is no fault when it should not flow', () => {
    const still = { video: { packetsReceived: 5, framesDecoded: 5 } };
    const paused = [slot('1', PATIENT, 'camera', { pause: 'off_screen' })];
    expect(after(still, { slots: paused })).toEqual([]);
    expect(after(still, { parties: [party(PATIENT, { media: { ...ON, camera: false } })] })).toEqual([]);
    expect(after(still, { parties: [party(PATIENT, { reconnecting: true })] })).toEqual([]);
    expect(after({ source: { totalAudioEnergy: 0 } }, { sends: { ...ON, microphone: false } })).toEqual([]);
  });

  it('is told only after it stood for a while, and is over at once', () => {
    const health = new Health();
    const still = { video: { framesDecoded: 3 } };
    const look = (n: number, change = still) => health.look(at(n - 1, change), at(n, change), expected).length;
    expect([look(1), look(2), look(3), look(4)]).toEqual([0, 0, 1, 1]);
    expect(health.look(at(4), at(5), expected)).toEqual([]);
    expect(health.look(null, at(5), expected)).toEqual([]);
  });
});

describe('a report', () => {
  it('says what was lost, what was repaired and how long it was held', () => {
    const change = (look: number) => ({
      audio: { packetsLost: 10 * look, concealedSamples: 1_900 * look, silentConcealedSamples: 900 * look, jitterBufferDelay: 60 * look, jitterBufferEmittedCount: 1_000 * look, jitter: 0.004 },
    });
    const measures = measure(at(1, change(1)), at(2, change(2)));
    expect(measures.loss_percent).toBeCloseTo((100 * 10) / 210);
    expect(measures.concealed_percent).toBeCloseTo((100 * 1_000) / 190_000);
    expect(measures.jitter_buffer_ms).toBeCloseTo(60);
    expect(measures.jitter_ms).toBeCloseTo(4);
  });

  it('names the path and the estimate of the pair in use', () => {
    const pair = { type: 'candidate-pair', nominated: true, state: 'succeeded', localCandidateId: 'local', availableOutgoingBitrate: 900_000.4, currentRoundTripTime: 0.05 };
    const by = (local: object) => measure(null, reading([entry(pair), entry({ id: 'local', type: 'local-candidate', ...local })], 'connected'));
    expect(by({ candidateType: 'host', protocol: 'udp' })).toMatchObject({ path: 'udp', estimate_bps: 900_000, rtt_ms: 50 });
    expect(by({ candidateType: 'host', protocol: 'tcp' }).path).toBe('tcp');
    expect(by({ candidateType: 'relay', relayProtocol: 'tls', protocol: 'udp' }).path).toBe('turn_tls');
    expect(by({ candidateType: 'relay', relayProtocol: 'udp', protocol: 'udp' }).path).toBe('turn_udp');
  });

  it('has a line for each track, encodings of one camera together', () => {
    const layers = (look: number) => ['q', 'h'].map((rid) => entry({
      id: rid, type: 'outbound-rtp', kind: 'video', mid: '1', timestamp: look * 4_000, bytesSent: 100_000 * look, framesSent: 100 * look,
    }));
    const [before, now] = [1, 2].map((look) => reading(layers(look), 'connected'));
    if (!before || !now) throw new Error('two readings');
    expect(trackReports(before, now, [], { 1: 'camera' })).toEqual([
      { source: 'camera', person: null, direction: 'up', loss: 0, jitter_ms: null, bitrate_bps: 400_000, frames_per_second: 25, freezes: 0 },
    ]);
    const down = trackReports(at(1), at(2), [slot('1', PATIENT, 'camera')], {});
    expect(down).toMatchObject([{ source: 'camera', person: PATIENT, direction: 'down', frames_per_second: 30 }]);
    expect(trackReports(null, at(2), [slot('1', PATIENT, 'camera')], {})).toEqual([]);
  });
});

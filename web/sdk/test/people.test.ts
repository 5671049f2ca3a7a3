import { describe, expect, it } from 'vitest';

import { assumedSlots, othersOf, peerOf, type Known, type Received } from '../src/call/people';
import { COLLEAGUE, DOCTOR, guest, ON, party, PATIENT, SUPERVISOR, view } from './call-views';

const QUIET: Known = { speaking: new Set(), quality: new Map(), hands: new Set() };
const streamOf = (name: string, track: MediaStreamTrack | null) => (track ? ({ id: name } as MediaStream) : null);
const track = {} as MediaStreamTrack;

function received(person: string, source: Received['source'], change: Partial<Received> = {}): Received {
  return { mid: '1', person, source, pause: null, track, ...change };
}

describe('the others in a call', () => {
  it('are the sides, then the guests, never oneself', () => {
    const three = view({ guests: [guest(COLLEAGUE)] });
    const others = (me: string) => othersOf(three, me, [], QUIET, streamOf).map(({ person }) => person);
    expect(others(PATIENT)).toEqual([DOCTOR, COLLEAGUE]);
    expect(others(COLLEAGUE)).toEqual([DOCTOR, PATIENT]);
    expect(others(SUPERVISOR)).toEqual([DOCTOR, PATIENT, COLLEAGUE]);
  });

  it('have what arrives of them, and a screen only while they share it', () => {
    const arrives = [received(PATIENT, 'camera', { pause: 'bandwidth' }), received(PATIENT, 'screen')];
    const [patient] = othersOf(view(), DOCTOR, arrives, QUIET, streamOf);
    expect(patient?.camera?.id).toBe(`${PATIENT}/camera`);
    expect(patient?.paused).toEqual({ camera: 'bandwidth', screen: null });
    expect(patient?.screen).toBeNull();
    const sharing = view({ callee: party(PATIENT, { media: { ...ON, screen: true } }) });
    expect(othersOf(sharing, DOCTOR, arrives, QUIET, streamOf)[0]?.screen?.id).toBe(`${PATIENT}/screen`);
  });

  it('speak only with a microphone that is on', () => {
    const known = { ...QUIET, speaking: new Set([PATIENT]), hands: new Set([PATIENT]) };
    const muted = view({ callee: party(PATIENT, { media: { ...ON, microphone: false } }) });
    expect(othersOf(view(), DOCTOR, [], known, streamOf)[0]).toMatchObject({ speaking: true, hand: true });
    expect(othersOf(muted, DOCTOR, [], known, streamOf)[0]?.speaking).toBe(false);
  });

  it('ring until they are there', () => {
    const ringing = view({ state: 'ringing', accepted_at: null });
    expect(othersOf(ringing, DOCTOR, [], QUIET, streamOf)[0]?.ringing).toBe(true);
    const invited = view({ guests: [guest(COLLEAGUE, { ringing: true })] });
    const [, colleague] = othersOf(invited, DOCTOR, [], QUIET, streamOf);
    expect(colleague).toMatchObject({ ringing: true, guest: true });
  });
});

describe('the one a call is with', () => {
  it('is the other side; for a guest who invites them, then the patient', () => {
    expect(peerOf(view(), DOCTOR).person).toBe(PATIENT);
    expect(peerOf(view(), PATIENT).person).toBe(DOCTOR);
    expect(peerOf(view({ guests: [guest(COLLEAGUE, { ringing: true })] }), COLLEAGUE).person).toBe(DOCTOR);
    expect(peerOf(view({ guests: [guest(COLLEAGUE)] }), COLLEAGUE).person).toBe(PATIENT);
    expect(peerOf(view(), SUPERVISOR).person).toBe(PATIENT);
  });

  it('is assumed on the first m-lines until the relay has spoken', () => {
    const slots = assumedSlots(view(), DOCTOR, { audio: '0', video: null });
    expect(slots).toEqual([{ mid: '0', person: PATIENT, source: 'microphone', pause: null }]);
  });
});

/** Views of calls as the server tells them. */
import type { CallGuest, CallParty, CallView, MediaSlot, MediaState, TrackSource } from '../src/generated/realtime';

export const DOCTOR = 'd0000000-0000-7000-8000-000000000001';
export const PATIENT = 'e0000000-0000-7000-8000-000000000002';
export const COLLEAGUE = 'c0000000-0000-7000-8000-000000000003';
export const SUPERVISOR = 'f0000000-0000-7000-8000-000000000004';

export const ON: MediaState = { microphone: true, camera: true, screen: false };

export function party(person: string, change: Partial<CallParty> = {}): CallParty {
  return {
    person,
    name: person.slice(0, 1),
    kind: person === PATIENT ? 'patient' : 'operator',
    specialty: null,
    media: ON,
    reconnecting: false,
    role: 'member',
    allowed: { microphone: true, camera: true, screen: true },
    ...change,
  };
}

export function guest(person: string, change: Partial<CallGuest> = {}): CallGuest {
  return { party: party(person), invited_by: DOCTOR, ringing: false, ...change };
}

/** The doctor called the patient, and they talk. */
export function view(change: Partial<CallView> = {}): CallView {
  return {
    id: 'a0000000-0000-7000-8000-000000000009',
    conversation: 'b0000000-0000-7000-8000-000000000009',
    subject: { kind: 'consultation', id: 'b0000000-0000-7000-8000-000000000008' },
    media: 'video',
    state: 'active',
    caller: party(DOCTOR),
    callee: party(PATIENT),
    guests: [],
    created_at: 1_000,
    accepted_at: 2_000,
    ended: null,
    ...change,
  };
}

export function slot(mid: string, person: string | null, source: TrackSource | null, change: Partial<MediaSlot> = {}): MediaSlot {
  return { mid, person, source, pause: null, ...change };
}

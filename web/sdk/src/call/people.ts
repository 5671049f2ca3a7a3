/** Everybody else in a call, from the server's view and what arrives of each. */
import type { CallParty, CallView, MediaSlot, QualityLevel, SlotPause, TrackSource } from '../generated/realtime';
import type { CallPerson } from '../types';

/** A track as the peer connection receives it. */
export interface Received {
  mid: string;
  person: string;
  source: TrackSource;
  pause: SlotPause | null;
  track: MediaStreamTrack;
}

/** What is known of people beside the view. */
export interface Known {
  speaking: ReadonlySet<string>;
  quality: ReadonlyMap<string, QualityLevel>;
  hands: ReadonlySet<string>;
}

type StreamOf = (name: string, track: MediaStreamTrack | null) => MediaStream | null;

/** The other sides first, then guests as they were invited. */
export function othersOf(view: CallView, me: string, received: readonly Received[], known: Known, streamOf: StreamOf): CallPerson[] {
  const sides = [view.caller, view.callee].map((party) => ({ party, ringing: rings(view, party), guest: false }));
  const guests = view.guests.map(({ party, ringing }) => ({ party, ringing, guest: true }));
  return [...sides, ...guests]
    .filter(({ party }) => party.person !== me)
    .map(({ party, ringing, guest }) => {
      const of = (source: TrackSource) => received.find((one) => one.person === party.person && one.source === source);
      const stream = (source: TrackSource, on: boolean) =>
        streamOf(`${party.person}/${source}`, on ? (of(source)?.track ?? null) : null);
      return {
        ...party,
        ringing,
        guest,
        camera: stream('camera', true),
        screen: stream('screen', party.media.screen),
        paused: { camera: of('camera')?.pause ?? null, screen: of('screen')?.pause ?? null },
        speaking: known.speaking.has(party.person) && party.media.microphone,
        quality: known.quality.get(party.person) ?? 'excellent',
        hand: known.hands.has(party.person),
      };
    });
}

export function partyOf(view: CallView, person: string): CallParty | null {
  const guests = view.guests.map((guest) => guest.party);
  return [view.caller, view.callee, ...guests].find((party) => party.person === person) ?? null;
}

/**
 * Whom the call is with, for one that shows a single name: the other side; for a
 * guest who is being called, whoever invited them; later, the patient.
 */
export function peerOf(view: CallView, me: string): CallParty {
  if (view.caller.person === me) return view.callee;
  if (view.callee.person === me) return view.caller;
  const own = view.guests.find((guest) => guest.party.person === me);
  const inviter = own?.ringing ? partyOf(view, own.invited_by) : null;
  const patient = view.caller.kind === 'patient' ? view.caller : view.callee;
  return inviter ?? patient;
}

/** Before the relay has said who is where, a call of two needs no telling. */
export function assumedSlots(view: CallView, me: string, mids: { audio: string | null; video: string | null }): MediaSlot[] {
  const { person } = peerOf(view, me);
  const slot = (mid: string | null, source: TrackSource) => (mid === null ? [] : [{ mid, person, source, pause: null }]);
  return [...slot(mids.audio, 'microphone'), ...slot(mids.video, 'camera')];
}

function rings(view: CallView, party: CallParty): boolean {
  return view.state === 'ringing' && party.person === view.callee.person;
}

/**
 * Tracks that should flow and do not, as this client can know it: what it receives and
 * cannot decode, what does not reach it, and what its own devices do not deliver.
 */
import type { CallParty, MediaSlot, MediaState, TrackFault, TrackQuality } from '../generated/realtime';
import { grown, type Reading, type TrackTotals } from './stats';

/** Looks in a row that must agree: one alone may be a change that is just under way. */
const LOOKS = 3;

/** What should flow now. */
export interface Expected {
  me: string;
  /** Receive slots of people whose source is on and not paused. */
  slots: readonly MediaSlot[];
  parties: readonly CallParty[];
  /** What is sent; nothing while the path itself is down. */
  sends: MediaState;
  /** M-lines of the own sources. */
  own: { microphone: string | null; camera: string | null };
  local: { microphone: MediaStreamTrack | null; camera: MediaStreamTrack | null };
}

/** Remembers how often in a row each fault was seen. */
export class Health {
  private seen = new Map<string, { fault: TrackFault; looks: number }>();

  /** All that are wrong now. */
  look(before: Reading | null, after: Reading, expected: Expected): TrackFault[] {
    const next = new Map<string, { fault: TrackFault; looks: number }>();
    for (const fault of before ? faultsBetween(before, after, expected) : []) {
      const key = JSON.stringify(fault);
      next.set(key, { fault, looks: (this.seen.get(key)?.looks ?? 0) + 1 });
    }
    this.seen = next;
    return [...next.values()].filter(({ looks }) => looks >= LOOKS).map(({ fault }) => fault);
  }
}

function faultsBetween(before: Reading, after: Reading, expected: Expected): TrackFault[] {
  return [...received(before, after, expected), ...sent(after, expected)];
}

function received(before: Reading, after: Reading, { slots, parties }: Expected): TrackFault[] {
  return slots.flatMap(({ mid, person, source, pause }): TrackFault[] => {
    const party = parties.find((one) => one.person === person);
    if (person === null || source === null || pause !== null || !party?.media[source] || party.reconnecting) return [];
    const [now, then] = [after.tracks.get(`down/${mid}`), before.tracks.get(`down/${mid}`)];
    if (!now || grown((track) => track.packets, now, then) === 0) return [{ person, source, fault: 'not_received' }];
    const decoded = source === 'microphone' ? grown((track) => track.samples, now, then) : grown((track) => track.frames, now, then);
    return decoded === 0 ? [{ person, source, fault: 'not_decoded' }] : [];
  });
}

function sent(after: Reading, { me, sends, own, local }: Expected): TrackFault[] {
  return (['microphone', 'camera'] as const).flatMap((source): TrackFault[] => {
    const track = local[source];
    if (!sends[source] || !track) return [];
    const dead = track.muted || track.readyState === 'ended';
    return dead || isSilent(source, after, own[source]) ? [{ person: me, source, fault: 'no_signal' }] : [];
  });
}

/**
 * A microphone that has not given the least sound since it was opened. One that is
 * quiet now may just be in a quiet room behind good noise suppression.
 */
function isSilent(source: 'microphone' | 'camera', after: Reading, mid: string | null): boolean {
  const track = source === 'microphone' && mid !== null ? after.tracks.get(`up/${mid}`) : undefined;
  return track !== undefined && track.packets > 0 && track.energy === 0;
}

/** Each track since the last report, for the record. */
export function trackReports(before: Reading | null, after: Reading, slots: readonly MediaSlot[], sources: OwnSources): TrackQuality[] {
  const seconds = before ? (after.atMs - before.atMs) / 1_000 : 0;
  if (seconds <= 0) return [];
  return [...after.tracks.entries()].flatMap(([key, now]): TrackQuality[] => {
    const slot = slots.find(({ mid, person }) => mid === now.mid && person !== null);
    const source = now.direction === 'up' ? sources[now.mid] : slot?.source;
    if (!source) return [];
    return [{ source, person: now.direction === 'down' ? (slot?.person ?? null) : null, ...between(before?.tracks.get(key), now, seconds) }];
  });
}

/** Which own source is sent on which m-line. */
export type OwnSources = Readonly<Record<string, 'microphone' | 'camera' | 'screen' | undefined>>;

function between(then: TrackTotals | undefined, now: TrackTotals, seconds: number): Omit<TrackQuality, 'source' | 'person'> {
  const packets = grown((track) => track.packets, now, then);
  const lost = grown((track) => track.lost, now, then);
  const frames = grown((track) => track.frames, now, then);
  return {
    direction: now.direction,
    loss: packets + lost > 0 ? lost / (packets + lost) : 0,
    jitter_ms: now.jitterMs,
    bitrate_bps: Math.round((grown((track) => track.bytes, now, then) * 8) / seconds),
    frames_per_second: now.kind === 'video' ? frames / seconds : null,
    freezes: now.kind === 'video' ? grown((track) => track.freezes, now, then) : null,
  };
}

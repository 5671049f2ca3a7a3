/**
 * The others in a call as this client has them: who is there, what arrives of each, who
 * speaks, whose hand is up, what does not flow.
 */
import type {
  CallDataView,
  CallTrouble,
  CallView,
  MediaSlot,
  QualityLevel,
  Speaker as Voice,
  TrackSource,
} from '../generated/realtime';
import type { CallHint, CallPerson } from '../types';
import type { Peer } from './peer';
import { assumedSlots, othersOf, partyOf, peerOf, type Received } from './people';
import { Streams } from './streams';

/** Worst first: what nobody hears before what one does not see. */
const ORDER: readonly TrackSource[] = ['microphone', 'camera', 'screen'];

export class Room {
  private readonly streams = new Streams();
  private slots: readonly MediaSlot[] = [];
  private speaking: ReadonlySet<string> = new Set();
  private readonly quality = new Map<string, QualityLevel>();
  private readonly hands = new Set<string>();
  private readonly troubles = new Map<string, CallTrouble>();

  constructor(private readonly me: string) {}

  setSlots(slots: readonly MediaSlot[]): void {
    this.slots = slots;
  }

  setSpeakers(speakers: readonly Voice[]): void {
    this.speaking = new Set(speakers.map(({ person }) => person));
  }

  setQuality(person: string, level: QualityLevel): void {
    this.quality.set(person, level);
  }

  setTrouble(trouble: CallTrouble): void {
    const { person, source, receiver, fault, over } = trouble;
    const key = [person, source, receiver, fault].join('/');
    if (over) this.troubles.delete(key);
    else this.troubles.set(key, trouble);
  }

  /** The server names those that are left after a reconnect. */
  forgetTroubles(): void {
    this.troubles.clear();
  }

  /** A hand of somebody who is in the call. */
  setHand({ from, payload }: CallDataView): void {
    if ((payload as { raised?: unknown } | null)?.raised === true) this.hands.add(from);
    else this.hands.delete(from);
  }

  /** Where the relay has put whom; for two, until it has said so, what must be. */
  slotsOf(view: CallView, peer: Peer): readonly MediaSlot[] {
    return this.slots.length > 0 ? this.slots : assumedSlots(view, this.me, peer.firstMids);
  }

  received(view: CallView, peer: Peer): Received[] {
    return peer.received(this.slotsOf(view, peer));
  }

  people(view: CallView, received: readonly Received[]): CallPerson[] {
    const known = { speaking: this.speaking, quality: this.quality, hands: this.hands };
    return othersOf(view, this.me, received, known, (name, track) => this.streams.of(name, track));
  }

  /** The sound of everybody, by m-line. */
  voices(received: readonly Received[]): Map<string, MediaStream> {
    const voices = new Map<string, MediaStream>();
    for (const { mid, source, track } of received) {
      const stream = source === 'microphone' ? this.streams.of(`voice/${mid}`, track) : null;
      if (stream) voices.set(mid, stream);
    }
    return voices;
  }

  /** The peer's camera, and the screen of whoever shares one. */
  remote(view: CallView, people: readonly CallPerson[]): { camera: MediaStream | null; screen: MediaStream | null } {
    const { person } = peerOf(view, this.me);
    return {
      camera: people.find((one) => one.person === person)?.camera ?? null,
      screen: people.find((one) => one.screen !== null)?.screen ?? null,
    };
  }

  /** What concerns this person: their own tracks, and what they do not get. */
  hints(view: CallView): CallHint[] {
    return [...this.troubles.values()]
      .filter(({ person, receiver }) => person === this.me || receiver === this.me || receiver === null)
      .sort((a, b) => ORDER.indexOf(a.source) - ORDER.indexOf(b.source))
      .flatMap(({ person, source, fault }) => {
        const party = person === this.me ? null : partyOf(view, person);
        return person !== this.me && party === null ? [] : [{ person: party, source, fault }];
      });
  }
}

/**
 * The way of a call's media to the relay: the peer connection, made anew when the relay
 * has given the old one up, and made beside it when the call moves to another relay.
 */
import type { MediaSlot } from '../generated/realtime';
import { RealtimeError } from '../net/errors';
import type { Realtime } from '../realtime';
import type { FirstFrame } from './first-frame';
import type { OwnDevices } from './own-devices';
import { Peer } from './peer';

/** Between two looks at whether a successor hears the others. */
const LOOK_INTERVAL_MS = 50;
/** A successor that is connected and hears nobody takes over all the same: all may be silent. */
const SILENCE_LIMIT_MS = 3_000;

/** What the path needs of the call it is for. */
export interface PathHost {
  readonly id: string | null;
  readonly over: boolean;
  /** The call was answered: a lost path is worth replacing. */
  readonly talking: boolean;
  readonly me: string;
  /** False for who only listens. */
  readonly sends: boolean;
  readonly devices: OwnDevices;
  readonly frame: FirstFrame;
  tracksChanged(): void;
  pathChanged(state: RTCPeerConnectionState): void;
  /** A new peer connection took the place of a lost one. */
  replaced(): void;
}

export class Path {
  peer: Peer | null = null;
  /** Leads to the relay the call moves to, and takes over once it hears the others. */
  private successor: Peer | null = null;
  private look: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly realtime: Realtime,
    private readonly host: PathHost,
  ) {}

  /** A fresh peer connection in place of any earlier one; its first offer is the caller's to send. */
  open(): Peer {
    this.close();
    this.peer = this.create();
    return this.peer;
  }

  /** Whom the relay speaks of: the one that leads to it. */
  get newest(): Peer | null {
    return this.successor ?? this.peer;
  }

  setSlots(slots: readonly MediaSlot[]): void {
    this.newest?.setSlots(slots);
  }

  /** The call went to another relay. The present connection goes on until the new one hears. */
  async move(call: string): Promise<void> {
    if (this.host.over || !this.peer) return;
    this.dropSuccessor();
    const successor = this.create();
    this.successor = successor;
    try {
      await this.negotiate(successor, call);
    } catch {
      // The house tells of the next relay, or ends a call whose side stays away.
      if (this.successor === successor) this.dropSuccessor();
    }
  }

  /** A new peer connection within the running call. */
  async connectAnew(call: string): Promise<void> {
    await this.negotiate(this.open(), call);
  }

  /** Gives a connection up that could not be negotiated. */
  drop(peer: Peer): void {
    peer.close();
    if (this.peer === peer) this.peer = null;
  }

  close(): void {
    this.dropSuccessor();
    this.peer?.close();
  }

  private create(): Peer {
    const welcome = this.realtime.getSnapshot().welcome;
    const { me: self, sends, frame } = this.host;
    const peer: Peer = new Peer(
      { iceServers: welcome?.ice_servers ?? [], self, sends },
      {
        exchange: (sdp) => this.exchange(peer, sdp),
        tracksChanged: () => {
          if (peer === this.peer) this.host.tracksChanged();
        },
        stateChanged: (state) => this.stateChanged(peer, state),
        iceChanged: (state) => {
          if (state === 'connected' || state === 'completed') frame.mark('iceConnected');
        },
        dtlsConnected: () => frame.mark('dtlsConnected'),
      },
    );
    return peer;
  }

  private async negotiate(peer: Peer, call: string): Promise<void> {
    if (this.host.sends) await this.host.devices.attach(peer);
    const answer = await this.realtime.request('call.offer', { call, sdp: await peer.firstOffer() });
    await peer.establish(answer.sdp);
    const { screen } = this.host.devices.local;
    if (screen) await peer.setScreen(screen);
  }

  private dropSuccessor(): void {
    clearInterval(this.look);
    this.successor?.close();
    this.successor = null;
  }

  private stateChanged(peer: Peer, state: RTCPeerConnectionState): void {
    if (peer === this.peer) this.host.pathChanged(state);
    else if (peer === this.successor && state === 'connected') this.awaitSound(peer);
  }

  /** Both connections carry media for a moment, so that nobody hears a gap. */
  private awaitSound(successor: Peer): void {
    clearInterval(this.look);
    const since = Date.now();
    const look = () => {
      const waits = this.peer?.connected === true && Date.now() - since < SILENCE_LIMIT_MS;
      if (successor.hears || !waits) this.takeOver(successor);
    };
    this.look = setInterval(look, LOOK_INTERVAL_MS);
    look();
  }

  private takeOver(successor: Peer): void {
    clearInterval(this.look);
    const before = this.peer;
    this.peer = successor;
    this.successor = null;
    before?.close();
    // What was switched on or off meanwhile.
    if (this.host.sends) void this.host.devices.attach(successor);
    this.host.pathChanged('connected');
    this.host.tracksChanged();
    this.host.replaced();
  }

  private async exchange(peer: Peer, sdp: string): Promise<string> {
    const call = this.host.id;
    if (!call) throw new RealtimeError('conflict', 'the call has no id yet');
    // An offer of the old connection would take the new one's place at the relay.
    if (peer !== this.newest) throw new RealtimeError('conflict', 'the call has moved');
    try {
      return (await this.realtime.request('call.offer', { call, sdp })).sdp;
    } catch (error) {
      if (error instanceof RealtimeError && error.code === 'not_found') void this.replaceLost(peer, call);
      throw error;
    }
  }

  /** The relay gave the path up while this client was away, but the call goes on. */
  private async replaceLost(lost: Peer, call: string): Promise<void> {
    if (this.host.over || this.peer !== lost || !this.host.talking) return;
    try {
      await this.connectAnew(call);
      this.host.replaced();
    } catch {
      // The house ends a call whose side stays away; its word then ends it here too.
    }
  }
}

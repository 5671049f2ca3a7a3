/**
 * The way of a call's media to the relay: the peer connection, made anew when the relay
 * has given the old one up.
 */
import { RealtimeError } from '../net/errors';
import type { Realtime } from '../realtime';
import type { FirstFrame } from './first-frame';
import type { OwnDevices } from './own-devices';
import { Peer } from './peer';

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

  constructor(
    private readonly realtime: Realtime,
    private readonly host: PathHost,
  ) {}

  /** A fresh peer connection in place of any earlier one; its first offer is the caller's to send. */
  open(): Peer {
    this.peer?.close();
    const welcome = this.realtime.getSnapshot().welcome;
    const { me: self, sends, frame } = this.host;
    const peer: Peer = new Peer(
      { iceServers: welcome?.ice_servers ?? [], self, sends },
      {
        exchange: (sdp) => this.exchange(peer, sdp),
        tracksChanged: () => this.host.tracksChanged(),
        stateChanged: (state) => this.host.pathChanged(state),
        iceChanged: (state) => {
          if (state === 'connected' || state === 'completed') frame.mark('iceConnected');
        },
        dtlsConnected: () => frame.mark('dtlsConnected'),
      },
    );
    this.peer = peer;
    return peer;
  }

  /** A new peer connection within the running call. */
  async connectAnew(call: string): Promise<void> {
    const peer = this.open();
    if (this.host.sends) await this.host.devices.attach(peer);
    const answer = await this.realtime.request('call.offer', { call, sdp: await peer.firstOffer() });
    await peer.establish(answer.sdp);
    const { screen } = this.host.devices.local;
    if (screen) await peer.setScreen(screen);
  }

  /** Gives a connection up that could not be negotiated. */
  drop(peer: Peer): void {
    peer.close();
    if (this.peer === peer) this.peer = null;
  }

  close(): void {
    this.peer?.close();
  }

  private async exchange(peer: Peer, sdp: string): Promise<string> {
    const call = this.host.id;
    if (!call) throw new RealtimeError('conflict', 'the call has no id yet');
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

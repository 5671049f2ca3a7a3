/**
 * One call from its first press to its end, on this client: what the person sees
 * is derived from the server's view, the peer connection and the own devices.
 */
import type {
  CallMedia,
  CallSubject,
  CallView,
  EndReason,
  MediaSlot,
  MediaState,
  QualityLevel,
  Welcome,
} from '../generated/realtime';
import { RealtimeError } from '../net/errors';
import type { Realtime } from '../realtime';
import { Store } from '../store';
import type { CallEnding, CallSnapshot, CallStats } from '../types';
import { FirstFrame } from './first-frame';
import { LocalMedia, MediaProblem } from './local-media';
import { Meter } from './meter';
import { Peer } from './peer';
import type { Ringer } from './ringer';
import { Speaker } from './speaker';
import { initialSnapshot } from './snapshot';
import { readStats } from './stats';
import { Streams } from './streams';
import { holdTab } from './tab';

const START_TIMEOUT_MS = 15_000;
export class ActiveCall extends Store<CallSnapshot> {
  readonly frame = new FirstFrame(() => {
    if (this.id && !this.over) this.meter.report(this.id);
  });
  readonly local = new LocalMedia();
  private readonly meter: Meter;
  private peer: Peer | null = null;
  private readonly speaker = new Speaker((soundBlocked) => this.patch({ soundBlocked }));
  private readonly streams = new Streams();
  private acceptedHere = false;
  private preparing: Promise<void> | null = null;
  private deviceWork: Promise<void> = Promise.resolve();

  constructor(
    private readonly realtime: Realtime,
    private readonly ringer: Ringer,
    private readonly me: string,
    role: CallSnapshot['role'],
    wantsVideo: boolean,
  ) {
    super(initialSnapshot(role, wantsVideo));
    this.meter = new Meter(realtime, this.frame, (quality) => {
      if (!this.over) this.patch({ quality });
    });
  }

  get id(): string | null {
    return this.getSnapshot().view?.id ?? null;
  }

  get over(): boolean {
    return this.getSnapshot().phase === 'ended';
  }

  async start(subject: CallSubject, media: CallMedia): Promise<void> {
    await this.openDevices(media === 'video');
    if (this.over) return;
    if (!this.local.microphone) {
      this.finish('not_started');
      return;
    }
    try {
      const peer = this.createPeer();
      await this.attach(peer);
      const state = this.ownMedia(true, media === 'video');
      const sdp = await peer.firstOffer();
      const started = await this.realtime.request(
        'call.start',
        { subject, media, state, sdp },
        { timeoutMs: START_TIMEOUT_MS },
      );
      if (this.over) {
        // Hung up before the server answered.
        this.realtime.send('call.hang_up', { call: started.call.id });
        return;
      }
      this.patch({ media: state, phase: 'outgoing' });
      this.applyView(started.call);
      if (this.getSnapshot().phase === 'outgoing') this.ringer.start('outgoing');
      await peer.establish(started.sdp);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Somebody calls: ring, and connect the media path meanwhile. */
  ring(view: CallView): void {
    this.applyView(view);
    this.patch({ phase: 'incoming' });
    this.ringer.start('incoming');
    this.preparing = this.prepare(view.id);
    void this.prewarm(view.media === 'video');
  }

  async accept(camera: boolean): Promise<void> {
    const call = this.id;
    if (!call || this.getSnapshot().phase !== 'incoming') return;
    this.acceptedHere = true;
    this.frame.mark('accepted');
    this.ringer.stop();
    this.patch({ phase: 'connecting', wantsVideo: camera, acceptedAt: Date.now() });
    this.watchFrame();
    if (!camera) this.local.closeCamera();
    // A question to the person comes before the other side hears that we are there.
    const silent = await this.local.mayOpenSilently(camera);
    const opening = this.openDevices(camera);
    if (!silent) await opening;
    try {
      const state = silent ? { microphone: true, camera, screen: false } : this.ownMedia(true, camera);
      await this.sendAccept(call, state);
      await opening;
      const { peer } = this;
      if (this.over || !peer) return;
      await this.attach(peer);
      const actual = this.ownMedia(true, camera);
      this.patch({ media: actual });
      if (actual.microphone !== state.microphone || actual.camera !== state.camera) this.sendMedia();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Continues a call that this tab held before it was reloaded. */
  async rejoin(view: CallView): Promise<void> {
    this.acceptedHere = true;
    const before = view.caller.person === this.me ? view.caller.media : view.callee.media;
    this.patch({ phase: 'connecting' });
    this.applyView(view);
    await this.openDevices(before.camera);
    if (this.over) return;
    try {
      await this.connectAnew(view.id);
      this.patch({ media: this.ownMedia(before.microphone, before.camera) });
      this.sendMedia();
      this.watchFrame();
    } catch (error) {
      this.fail(error);
    }
  }

  /** The server's whole view of the call changed. */
  applyView(view: CallView): void {
    if (this.over) return;
    const isCaller = view.caller.person === this.me;
    const [self, peer] = isCaller ? [view.caller, view.callee] : [view.callee, view.caller];
    this.patch({ view, self, peer });
    if (view.state === 'ended') {
      this.finish(view.ended ?? 'failed');
    } else if (view.accepted_at !== null) {
      if (!isCaller && !this.acceptedHere) this.finish('answered_elsewhere');
      else this.handleAccepted(view);
    }
  }

  /** After a reconnect: what the server says about this call now. */
  reconcile(welcome: Welcome): void {
    const view = welcome.calls.find((candidate) => candidate.id === this.id);
    if (!view) {
      const ringing = this.getSnapshot().phase === 'incoming' || this.getSnapshot().phase === 'outgoing';
      this.finish(ringing ? 'cancelled' : 'connection_lost');
      return;
    }
    this.applyView(view);
    if (this.over) return;
    if (this.getSnapshot().phase === 'connecting' || this.getSnapshot().phase === 'active') this.sendMedia();
    if (this.peer && !this.peer.connected) this.peer.restartIce();
  }

  networkChanged(): void {
    this.peer?.restartIce();
  }

  setSlots(slots: readonly MediaSlot[]): void {
    this.peer?.setSlots(slots);
  }

  offerNeeded(videoSlots: number): void {
    this.peer?.ensureVideoSlots(videoSlots).catch(() => {
      // The relay asks again, or a restart of ICE renegotiates.
    });
  }

  setRelayQuality(person: string, level: QualityLevel): void {
    if (person === this.me) {
      this.meter.setRelay(level);
    } else {
      this.patch({ peerQuality: level });
    }
  }

  setMicrophone(on: boolean): Promise<void> {
    return this.withDevices(async () => {
      if (on) await this.local.open({ microphone: true, camera: false });
      if (this.local.microphone) this.local.microphone.enabled = on;
      await this.peer?.setMicrophone(this.local.microphone);
      this.changeMedia({ microphone: on });
    });
  }

  setCamera(on: boolean): Promise<void> {
    return this.withDevices(async () => {
      if (on) {
        await this.local.open({ microphone: false, camera: true });
        await this.peer?.setCamera(this.local.camera);
      } else {
        await this.peer?.setCamera(null);
        this.local.closeCamera();
      }
      this.changeMedia({ camera: on });
    });
  }

  flipCamera(): Promise<void> {
    const facing = this.local.facing === 'user' ? 'environment' : 'user';
    return this.switchCamera({ facing });
  }

  switchCamera(choice: { deviceId: string } | { facing: 'user' | 'environment' }): Promise<void> {
    return this.withDevices(async () => {
      const track = await this.local.switchCamera(choice);
      await this.peer?.setCamera(track);
      this.changeMedia({ camera: true });
      this.patch({ facing: this.local.facing });
    });
  }

  switchMicrophone(deviceId: string): Promise<void> {
    return this.withDevices(async () => {
      await this.peer?.setMicrophone(await this.local.switchMicrophone(deviceId));
    });
  }

  async switchSpeaker(deviceId: string): Promise<void> {
    this.local.speakerId = deviceId;
    await this.speaker.select(deviceId);
  }

  startScreen(): Promise<void> {
    return this.withDevices(async () => {
      const track = await this.local.openScreen();
      // The browser has its own button that ends the sharing.
      track.onended = () => void this.stopScreen();
      await this.peer?.setScreen(track);
      this.changeMedia({ screen: true });
    });
  }

  stopScreen(): Promise<void> {
    return this.withDevices(async () => {
      if (!this.local.screen) return;
      this.local.closeScreen();
      await this.peer?.setScreen(null);
      this.changeMedia({ screen: false });
    });
  }

  unblockSound(): void {
    this.speaker.unblock();
  }

  async stats(): Promise<CallStats | null> {
    return this.peer ? readStats(this.peer.connection) : null;
  }

  /** Ends it here; the caller of this tells the server. */
  finish(ended: CallEnding): void {
    if (this.over) return;
    this.meter.stop();
    this.ringer.stop();
    this.frame.stop();
    this.speaker.stop();
    this.peer?.close();
    this.local.close();
    holdTab(null);
    this.patch({
      phase: 'ended',
      ended,
      reconnecting: false,
      media: { microphone: false, camera: false, screen: false },
      local: { camera: null, screen: null },
      remote: { audio: null, camera: null, screen: null },
    });
  }

  /** The reason when this person ends the call now. */
  ownEnding(): EndReason {
    return this.getSnapshot().acceptedAt === null ? 'cancelled' : 'hung_up';
  }

  private async prepare(call: string): Promise<void> {
    const peer = this.createPeer();
    try {
      const answer = await this.realtime.request('call.prepare', { call, sdp: await peer.firstOffer() });
      if (!this.over) await peer.establish(answer.sdp);
    } catch {
      // The accept then carries an offer of its own.
      peer.close();
      if (this.peer === peer) this.peer = null;
    }
  }

  /** Opens the devices while it rings, when the browser needs no question for it. */
  private async prewarm(camera: boolean): Promise<void> {
    if (!(await this.local.mayOpenSilently(camera)) || this.over) return;
    await this.local.open({ microphone: true, camera }).catch(() => undefined);
    if (this.over) this.local.close();
    else this.publishLocal();
  }

  private async sendAccept(call: string, state: MediaState): Promise<void> {
    await this.preparing;
    if (this.over) return;
    if (this.peer?.established) {
      // What is already open flows from the first moment.
      if (this.local.microphone || this.local.camera) await this.attach(this.peer);
      await this.realtime.request('call.accept', { call, state, sdp: null });
      return;
    }
    const peer = this.createPeer();
    const answer = await this.realtime.request('call.accept', { call, state, sdp: await peer.firstOffer() });
    if ('sdp' in answer) await peer.establish(answer.sdp as string);
  }

  private handleAccepted(view: CallView): void {
    this.frame.mark('accepted');
    this.ringer.stop();
    const { acceptedAt } = this.getSnapshot();
    this.patch({
      phase: view.state === 'active' ? 'active' : 'connecting',
      // The server's moment, on this device's clock.
      acceptedAt: acceptedAt ?? Date.now() - Math.max(0, this.realtime.serverNow() - (view.accepted_at ?? 0)),
    });
    if (this.meter.running) return;
    holdTab(view.id);
    this.watchFrame();
    this.meter.start(view.id, () => this.peer);
  }

  private async openDevices(camera: boolean): Promise<void> {
    try {
      await this.local.open({ microphone: true, camera });
      this.patch({ problem: null });
    } catch (error) {
      if (error instanceof MediaProblem) this.patch({ problem: error.problem });
    }
    if (this.over) this.local.close();
    else this.publishLocal();
  }

  /** One change of devices at a time; a refusal is shown, not thrown. */
  private withDevices(work: () => Promise<void>): Promise<void> {
    const next = this.deviceWork.then(async () => {
      if (this.over) return;
      try {
        await work();
        this.patch({ problem: null });
      } catch (error) {
        if (error instanceof MediaProblem) this.patch({ problem: error.problem });
      }
      if (this.over) this.local.close();
      else this.publishLocal();
    });
    this.deviceWork = next;
    return next;
  }

  private createPeer(): Peer {
    this.peer?.close();
    const welcome = this.realtime.getSnapshot().welcome;
    const peer: Peer = new Peer(welcome?.ice_servers ?? [], this.me, {
      exchange: async (sdp) => {
        const call = this.id;
        if (!call) throw new RealtimeError('conflict', 'the call has no id yet');
        try {
          return (await this.realtime.request('call.offer', { call, sdp })).sdp;
        } catch (error) {
          if (error instanceof RealtimeError && error.code === 'not_found') void this.replaceLost(peer, call);
          throw error;
        }
      },
      tracksChanged: () => this.publishRemote(),
      stateChanged: (state) => this.handlePeerState(state),
      iceChanged: (state) => {
        if (state === 'connected' || state === 'completed') this.frame.mark('iceConnected');
      },
      dtlsConnected: () => this.frame.mark('dtlsConnected'),
    });
    this.peer = peer;
    return peer;
  }

  /** A new peer connection within the running call. */
  private async connectAnew(call: string): Promise<Peer> {
    const peer = this.createPeer();
    await this.attach(peer);
    const answer = await this.realtime.request('call.offer', { call, sdp: await peer.firstOffer() });
    await peer.establish(answer.sdp);
    return peer;
  }

  /** The relay gave the path up while this client was away, but the call goes on. */
  private async replaceLost(lost: Peer, call: string): Promise<void> {
    if (this.over || this.peer !== lost || this.getSnapshot().acceptedAt === null) return;
    try {
      const peer = await this.connectAnew(call);
      if (this.local.screen) await peer.setScreen(this.local.screen);
      this.sendMedia();
    } catch {
      // The house ends a call whose side stays away; its word then ends it here too.
    }
  }

  private handlePeerState(state: RTCPeerConnectionState): void {
    if (this.over) return;
    const talking = this.getSnapshot().acceptedAt !== null;
    const broken = state === 'disconnected' || state === 'failed';
    this.patch({ reconnecting: talking && broken });
    this.meter.setPath(broken);
  }

  private async attach(peer: Peer): Promise<void> {
    await Promise.all([peer.setMicrophone(this.local.microphone), peer.setCamera(this.local.camera)]);
  }

  private ownMedia(microphone: boolean, camera: boolean): MediaState {
    return {
      microphone: microphone && this.local.microphone !== null,
      camera: camera && this.local.camera !== null,
      screen: this.local.screen !== null,
    };
  }

  private changeMedia(change: Partial<MediaState>): void {
    this.patch({ media: { ...this.getSnapshot().media, ...change } });
    this.sendMedia();
  }

  private sendMedia(): void {
    const call = this.id;
    // Offline, the whole state is sent again after the reconnect.
    if (call) this.realtime.send('call.media', { call, state: this.getSnapshot().media });
  }

  private watchFrame(): void {
    if (this.frame.timeline.firstFrame === undefined) this.frame.watch(() => this.peer?.cameraReceiver() ?? null);
  }

  private publishLocal(): void {
    const { camera, screen } = this.local;
    this.patch({ local: { camera: this.streams.of('own-camera', camera), screen: this.streams.of('own-screen', screen) } });
    void this.local.devices().then((devices) => this.patch({ canFlip: devices.cameras.length > 1 }));
  }

  private publishRemote(): void {
    if (this.over || !this.peer) return;
    const tracks = this.peer.remoteTracks();
    const remote = {
      audio: this.streams.of('audio', tracks.audio),
      camera: this.streams.of('camera', tracks.camera),
      screen: this.streams.of('screen', tracks.screen),
    };
    this.speaker.play(remote.audio);
    this.patch({ remote });
  }

  private fail(error: unknown): void {
    if (this.over) return;
    const code = error instanceof RealtimeError ? error.code : 'internal';
    this.patch({ failure: code });
    const call = this.id;
    if (call) this.realtime.send('call.hang_up', { call });
    this.finish(code === 'busy' ? 'busy' : 'not_started');
  }

  private patch(change: Partial<CallSnapshot>): void {
    this.set({ ...this.getSnapshot(), ...change });
  }
}

/**
 * One call from its first press to its end, on this client: what the person sees is
 * derived from the server's view, what the path carries and the own devices.
 */
import type {
  CallDataView,
  CallLayers,
  CallMedia,
  CallQuality,
  CallSubject,
  CallTrouble,
  CallView,
  EndReason,
  MediaSlot,
  MediaState,
  Speaker as Voice,
  Welcome,
} from '../generated/realtime';
import { RealtimeError } from '../net/errors';
import type { Realtime } from '../realtime';
import { Store } from '../store';
import type { CallEnding, CallRole, CallSnapshot, CallStats } from '../types';
import { FirstFrame } from './first-frame';
import { Meter, type Measured } from './meter';
import { NOTHING, OwnDevices } from './own-devices';
import { Path } from './path';
import { partyOf, peerOf } from './people';
import type { Ringer } from './ringer';
import { Room } from './room';
import { askedFor, isHand, Signals } from './signals';
import { initialSnapshot } from './snapshot';
import { Speaker } from './speaker';
import { readStats } from './stats';
import { holdTab } from './tab';
import { Tiles } from './tiles';

const START_TIMEOUT_MS = 15_000;

export class ActiveCall extends Store<CallSnapshot> {
  readonly frame = new FirstFrame(() => {
    if (this.id && !this.over) this.meter.report(this.id);
  });
  readonly devices: OwnDevices;
  readonly tiles: Tiles;
  private readonly path: Path;
  private readonly room: Room;
  private readonly meter: Meter;
  private readonly signals: Signals;
  private readonly speaker = new Speaker((soundBlocked) => this.patch({ soundBlocked }));
  private acceptedHere = false;
  /** The relay may speak of a call before the house has shown it. */
  private joining: string | null = null;
  private preparing: Promise<void> | null = null;

  constructor(
    private readonly realtime: Realtime,
    private readonly ringer: Ringer,
    private readonly me: string,
    role: CallRole,
    wantsVideo: boolean,
  ) {
    super(initialSnapshot(role, wantsVideo));
    this.room = new Room(me);
    this.signals = new Signals(realtime, () => this.id);
    this.devices = this.createDevices();
    this.path = this.createPath();
    this.tiles = new Tiles((tiles) => {
      const call = this.id;
      return call !== null && realtime.send('call.tiles', { call, tiles });
    });
    this.meter = new Meter(realtime, this.frame, (quality) => {
      if (!this.over) this.patch({ quality });
    });
  }

  get id(): string | null {
    return this.getSnapshot().view?.id ?? this.joining;
  }

  get over(): boolean {
    return this.getSnapshot().phase === 'ended';
  }

  async start(subject: CallSubject, media: CallMedia): Promise<void> {
    await this.devices.open(media === 'video');
    if (this.over) return;
    if (!this.devices.local.microphone) {
      this.finish('not_started');
      return;
    }
    try {
      const peer = this.path.open();
      await this.devices.attach(peer);
      const state = this.devices.sending(true, media === 'video');
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

  /** A supervisor hears a running call; nothing of theirs is sent or shown. */
  async listen(call: string): Promise<void> {
    this.acceptedHere = true;
    this.joining = call;
    try {
      const peer = this.path.open();
      const started = await this.realtime.request('call.listen', { call, sdp: await peer.firstOffer() });
      if (this.over) {
        this.realtime.send('call.hang_up', { call });
        return;
      }
      this.applyView(started.call);
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
    // What a guest joins flows already: their path opens with their answer.
    if (this.getSnapshot().role !== 'guest') this.preparing = this.prepare(view.id);
    if (this.sends) void this.devices.prewarm(view.media === 'video');
  }

  async accept(camera: boolean): Promise<void> {
    const call = this.id;
    if (!call || this.getSnapshot().phase !== 'incoming') return;
    this.acceptedHere = true;
    this.frame.mark('accepted');
    this.ringer.stop();
    this.patch({ phase: 'connecting', wantsVideo: camera, acceptedAt: Date.now() });
    this.watchFrame();
    if (!this.sends) {
      // An invitation to listen asks for no device.
      await this.sendAccept(call, NOTHING).catch((error: unknown) => this.fail(error));
      return;
    }
    const { devices } = this;
    if (!camera) devices.local.closeCamera();
    // A question to the person comes before the other side hears that we are there.
    const silent = await devices.local.mayOpenSilently(camera);
    const opening = devices.open(camera);
    if (!silent) await opening;
    try {
      const state = silent ? { microphone: true, camera, screen: false } : devices.sending(true, camera);
      await this.sendAccept(call, state);
      await opening;
      const { peer } = this.path;
      if (this.over || !peer) return;
      await devices.attach(peer);
      const actual = devices.sending(true, camera);
      this.patch({ media: actual });
      if (actual.microphone !== state.microphone || actual.camera !== state.camera) this.sendMedia();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Continues a call that this tab held before it was reloaded. */
  async rejoin(view: CallView): Promise<void> {
    this.acceptedHere = true;
    const before = partyOf(view, this.me)?.media ?? NOTHING;
    this.patch({ phase: 'connecting' });
    this.applyView(view);
    if (this.sends) await this.devices.open(before.camera);
    if (this.over) return;
    try {
      await this.path.connectAnew(view.id);
      this.patch({ media: this.devices.sending(before.microphone, before.camera) });
      this.sendMedia();
      this.watchFrame();
    } catch (error) {
      this.fail(error);
    }
  }

  /** The server's whole view of the call changed. */
  applyView(view: CallView): void {
    if (this.over) return;
    const self = partyOf(view, this.me);
    const guest = view.guests.find(({ party }) => party.person === this.me);
    const joined = this.getSnapshot().people.length;
    this.patch({ view, self, peer: peerOf(view, this.me), allowed: self?.allowed ?? this.getSnapshot().allowed });
    if (view.state === 'ended') {
      this.finish(view.ended ?? 'failed');
    } else if (!self) {
      this.finish(this.getSnapshot().phase === 'incoming' ? 'cancelled' : 'removed');
    } else if (guest?.ringing === false || (!guest && view.accepted_at !== null)) {
      if (view.caller.person !== this.me && !this.acceptedHere) this.finish('answered_elsewhere');
      else this.handleAccepted(view);
    }
    if (this.over) return;
    this.devices.obey(this.getSnapshot().allowed);
    this.refresh();
    // Who came just now has not seen the hand go up.
    if (this.getSnapshot().hand && this.getSnapshot().people.length > joined) this.signals.hand(true);
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
    const { peer } = this.path;
    if (peer && !peer.connected) peer.restartIce();
  }

  /** The server tells again, after the reconnect, what is still wrong. */
  disconnected(): void {
    this.room.forgetTroubles();
    this.refresh();
  }

  networkChanged(): void {
    this.path.peer?.restartIce();
  }

  setSlots(slots: readonly MediaSlot[]): void {
    this.room.setSlots(slots);
    this.tiles.setSlots(slots);
    // Tells of changed tracks, and so refreshes.
    this.path.setSlots(slots);
  }

  /** The call's room is at another relay from now on. */
  moved(): void {
    const call = this.id;
    if (call && !this.over) void this.path.move(call);
  }

  offerNeeded(audio: number, video: number): void {
    this.path.newest?.ensureSlots(audio, video).catch(() => {
      // The relay asks again, or a restart of ICE renegotiates.
    });
  }

  setLayers({ source, rids }: CallLayers): void {
    this.path.newest?.setLayers(source, rids).catch(() => {
      // A connection that is just being replaced; the relay tells the new one.
    });
  }

  setSpeakers(speakers: readonly Voice[]): void {
    this.room.setSpeakers(speakers);
    this.refresh();
  }

  setTrouble(trouble: CallTrouble): void {
    this.room.setTrouble(trouble);
    this.refresh();
  }

  setQuality({ person, level, mos, loss, rtt_ms: rttMs }: CallQuality): void {
    this.room.setQuality(person, level);
    if (person === this.me) {
      this.meter.setRelay(level);
      if (mos !== null) this.patch({ figures: { mos, loss, rttMs } });
    }
    this.refresh();
  }

  handleData(data: CallDataView): void {
    const asked = askedFor(data);
    if (isHand(data)) this.room.setHand(data);
    else if (asked && !this.getSnapshot().media[asked]) this.patch({ asked });
    this.refresh();
  }

  raiseHand(hand: boolean): void {
    this.patch({ hand });
    this.signals.hand(hand);
  }

  ask(person: string, source: 'microphone' | 'camera'): void {
    this.signals.ask(person, source);
  }

  /** The answer to a request to turn something on. */
  async answerAsk(yes: boolean): Promise<void> {
    const { asked } = this.getSnapshot();
    this.patch({ asked: null });
    if (!yes) return;
    if (asked === 'microphone') await this.devices.setMicrophone(true);
    if (asked === 'camera') await this.devices.setCamera(true);
  }

  async switchSpeaker(deviceId: string): Promise<void> {
    this.devices.local.speakerId = deviceId;
    await this.speaker.select(deviceId);
  }

  unblockSound(): void {
    this.speaker.unblock();
  }

  async stats(): Promise<CallStats | null> {
    const { peer } = this.path;
    return peer ? readStats(peer.connection) : null;
  }

  /** Ends it here; the caller of this tells the server. */
  finish(ended: CallEnding): void {
    if (this.over) return;
    this.meter.stop();
    this.ringer.stop();
    this.frame.stop();
    this.speaker.stop();
    this.tiles.stop();
    this.path.close();
    this.devices.close();
    holdTab(null);
    this.patch({
      phase: 'ended',
      ended,
      reconnecting: false,
      media: NOTHING,
      people: [],
      hints: [],
      asked: null,
      local: { camera: null, screen: null },
      remote: { camera: null, screen: null },
    });
  }

  /** The reason when this person ends the call now. */
  ownEnding(): EndReason {
    return this.getSnapshot().acceptedAt === null ? 'cancelled' : 'hung_up';
  }

  private get sends(): boolean {
    const { role, self } = this.getSnapshot();
    return role !== 'listener' && (self?.role ?? 'member') === 'member';
  }

  private createDevices(): OwnDevices {
    const call = () => this;
    return new OwnDevices({
      get over() { return call().over; },
      get peer() { return call().path.peer; },
      get media() { return call().getSnapshot().media; },
      get allowed() { return call().getSnapshot().allowed; },
      patch: (change) => this.patch(change),
      mediaChanged: (media) => this.changeMedia(media),
    });
  }

  private createPath(): Path {
    const call = () => this;
    return new Path(this.realtime, {
      get id() { return call().id; },
      get over() { return call().over; },
      get talking() { return call().getSnapshot().acceptedAt !== null; },
      get sends() { return call().sends; },
      me: this.me,
      devices: this.devices,
      frame: this.frame,
      tracksChanged: () => this.refresh(),
      pathChanged: (state) => this.handlePath(state),
      replaced: () => {
        this.sendMedia();
        this.tiles.repeat();
      },
    });
  }

  private async prepare(call: string): Promise<void> {
    const peer = this.path.open();
    try {
      const answer = await this.realtime.request('call.prepare', { call, sdp: await peer.firstOffer() });
      if (!this.over) await peer.establish(answer.sdp);
    } catch {
      // The accept then carries an offer of its own.
      this.path.drop(peer);
    }
  }

  private async sendAccept(call: string, state: MediaState): Promise<void> {
    await this.preparing;
    if (this.over) return;
    const { local } = this.devices;
    const prepared = this.path.peer;
    if (prepared?.established) {
      // What is already open flows from the first moment.
      if (local.microphone || local.camera) await this.devices.attach(prepared);
      await this.realtime.request('call.accept', { call, state, sdp: null });
      return;
    }
    const peer = this.path.open();
    const answer = await this.realtime.request('call.accept', { call, state, sdp: await peer.firstOffer() });
    if ('sdp' in answer) await peer.establish(answer.sdp as string);
  }

  private handleAccepted(view: CallView): void {
    this.frame.mark('accepted');
    this.ringer.stop();
    const { acceptedAt } = this.getSnapshot();
    this.patch({
      phase: this.isActive(view) ? 'active' : 'connecting',
      // The server's moment, on this device's clock.
      acceptedAt: acceptedAt ?? Date.now() - Math.max(0, this.realtime.serverNow() - (view.accepted_at ?? 0)),
    });
    if (this.meter.running) return;
    holdTab(view.id);
    this.watchFrame();
    this.meter.start(view.id, () => this.measured());
  }

  /** Between the two sides the server knows; who joins them is there when their own path is. */
  private isActive(view: CallView): boolean {
    const { role } = this.getSnapshot();
    const joins = role === 'guest' || role === 'listener';
    return view.state === 'active' && (!joins || this.path.peer?.connected === true);
  }

  private handlePath(state: RTCPeerConnectionState): void {
    if (this.over) return;
    const { acceptedAt, view, phase } = this.getSnapshot();
    const broken = state === 'disconnected' || state === 'failed';
    this.patch({ reconnecting: acceptedAt !== null && broken });
    this.meter.setPath(broken);
    if (phase === 'connecting' && view && this.isActive(view)) this.patch({ phase: 'active' });
  }

  private measured(): Measured | null {
    const { peer } = this.path;
    const { view, media } = this.getSnapshot();
    if (!peer || !view) return null;
    const slots = this.room.slotsOf(view, peer);
    const parties = [view.caller, view.callee, ...view.guests.map((guest) => guest.party)];
    const { microphone, camera } = this.devices.local;
    const { audio, video } = peer.firstMids;
    return {
      peer,
      slots,
      sources: peer.ownSources,
      expected: {
        me: this.me,
        slots: slots.filter(({ person }) => person !== this.me),
        parties,
        sends: media,
        own: { microphone: audio, camera: video },
        local: { microphone, camera },
      },
    };
  }

  private changeMedia(media: MediaState): void {
    const { asked } = this.getSnapshot();
    this.patch({ media, asked: asked && media[asked] ? null : asked });
    this.sendMedia();
  }

  private sendMedia(): void {
    const call = this.id;
    // Offline, the whole state is sent again after the reconnect.
    if (call && this.sends) this.realtime.send('call.media', { call, state: this.getSnapshot().media });
  }

  private watchFrame(): void {
    if (this.frame.timeline.firstFrame === undefined) this.frame.watch(() => this.path.peer?.cameraReceiver() ?? null);
  }

  /** Everything that is derived from the others. */
  private refresh(): void {
    const { view } = this.getSnapshot();
    const { peer } = this.path;
    if (this.over || !view) return;
    const received = peer ? this.room.received(view, peer) : [];
    const people = this.room.people(view, received);
    this.speaker.play(this.room.voices(received));
    this.patch({ people, remote: this.room.remote(view, people), hints: this.room.hints(view) });
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

/** The one call of this client: which it is, and what the person does with it. */
import type { CallMedia, CallSubject, CallView, MediaState, ParticipantRole, TrackSource, Welcome } from '../generated/realtime';
import type { Realtime } from '../realtime';
import type { Session } from '../session';
import { Store } from '../store';
import type { CallDevices, CallRole, CallSnapshot, CallStats, CallTimeline } from '../types';
import { ActiveCall } from './active-call';
import { LocalMedia } from './local-media';
import { partyOf } from './people';
import { Ringer } from './ringer';
import { heldByThisTab } from './tab';
import type { ShownTrack } from './tiles';

export class Calls extends Store<CallSnapshot | null> {
  private call: ActiveCall | null = null;
  private unfollow: () => void = () => undefined;
  private readonly ringer = new Ringer();
  private readonly realtime: Realtime;
  private readonly session: Session;
  /** Ended here while there was no connection; the server is told after the reconnect. */
  private untold: string | null = null;

  constructor(options: { session: Session; realtime: Realtime }) {
    super(null);
    this.session = options.session;
    this.realtime = options.realtime;
    const { realtime } = this;
    realtime.on('welcome', (welcome) => this.handleWelcome(welcome));
    realtime.on('call.incoming', ({ call }) => this.handleView(call));
    realtime.on('call.updated', ({ call }) => this.handleView(call));
    realtime.on('call.slots', ({ call, slots }) => this.current(call)?.setSlots(slots));
    realtime.on('call.moved', ({ call }) => this.current(call)?.moved());
    realtime.on('call.offer_needed', (need) => this.current(need.call)?.offerNeeded(need.audio_slots, need.video_slots));
    realtime.on('call.quality', (quality) => this.current(quality.call)?.setQuality(quality));
    realtime.on('call.layers', (layers) => this.current(layers.call)?.setLayers(layers));
    realtime.on('call.speakers', ({ call, speakers }) => this.current(call)?.setSpeakers(speakers));
    realtime.on('call.trouble', (trouble) => this.current(trouble.call)?.setTrouble(trouble));
    realtime.on('call.data', (data) => this.current(data.call)?.handleData(data));
    realtime.subscribe(() => {
      if (!realtime.online) this.call?.disconnected();
    });
    this.session.onSignedOut(() => {
      this.call?.finish('hung_up');
      this.dismiss();
    });
    globalThis.addEventListener?.('online', () => this.call?.networkChanged());
    this.watchNetworkType();
  }

  /** Calls the other side of that consultation or callback request. */
  async start(subject: CallSubject, media: CallMedia): Promise<void> {
    await this.begin('caller', media === 'video')?.start(subject, media);
  }

  /** Hears a running call, unseen. Supervisors only. */
  async listen(call: string): Promise<void> {
    await this.begin('listener', true)?.listen(call);
  }

  async accept(options: { camera: boolean }): Promise<void> {
    await this.call?.accept(options.camera);
  }

  async decline(): Promise<void> {
    const id = this.call?.id;
    if (!this.call || !id) return;
    this.call.finish('declined');
    this.dismiss();
    if (!this.realtime.send('call.decline', { call: id })) this.untold = id;
  }

  async hangUp(): Promise<void> {
    const { call } = this;
    if (!call || call.over) return;
    const { id } = call;
    call.finish(call.ownEnding());
    if (id && !this.realtime.send('call.hang_up', { call: id })) this.untold = id;
  }

  /** Clears an ended call from the screen. */
  dismiss(): void {
    if (this.call && !this.call.over) return;
    this.unfollow();
    this.call = null;
    this.set(null);
  }

  async setMicrophone(on: boolean): Promise<void> {
    await this.call?.devices.setMicrophone(on);
  }

  async setCamera(on: boolean): Promise<void> {
    await this.call?.devices.setCamera(on);
  }

  async flipCamera(): Promise<void> {
    await this.call?.devices.flipCamera();
  }

  async startScreen(): Promise<void> {
    await this.call?.devices.startScreen();
  }

  async stopScreen(): Promise<void> {
    await this.call?.devices.stopScreen();
  }

  async devices(): Promise<CallDevices> {
    return (this.call?.devices.local ?? new LocalMedia()).devices();
  }

  async selectMicrophone(deviceId: string): Promise<void> {
    await this.call?.devices.switchMicrophone(deviceId);
  }

  async selectCamera(deviceId: string): Promise<void> {
    await this.call?.devices.switchCamera({ deviceId });
  }

  async selectSpeaker(deviceId: string): Promise<void> {
    await this.call?.switchSpeaker(deviceId);
  }

  /** Asks a colleague into the running call; rejects with the server's reason. */
  async invite(person: string, role: Exclude<ParticipantRole, 'hidden'> = 'member'): Promise<void> {
    const call = this.call?.id;
    if (call) await this.realtime.request('call.invite', { call, person, role });
  }

  /** Sends a guest out, or takes an invitation back. */
  async remove(person: string): Promise<void> {
    const call = this.call?.id;
    if (call) await this.realtime.request('call.remove', { call, person });
  }

  /** Turns a participant's source off for as long as it is not allowed again; the relay sees to it. */
  async mute(person: string, source: TrackSource): Promise<void> {
    await this.allow(person, { [source]: false });
  }

  /** Asks a participant to turn something on, which they may from now on. */
  async askToTurnOn(person: string, source: 'microphone' | 'camera'): Promise<void> {
    await this.allow(person, { [source]: true });
    this.call?.ask(person, source);
  }

  raiseHand(raised: boolean): void {
    this.call?.raiseHand(raised);
  }

  /** Does, or does not, what the operator asked for. */
  async answerAsk(yes: boolean): Promise<void> {
    await this.call?.answerAsk(yes);
  }

  /** The element shows this track now: its size decides what the relay sends. */
  showTile(element: Element, track: ShownTrack): () => void {
    return this.call?.tiles.show(element, track) ?? (() => undefined);
  }

  /** Lets the browser play sound after a press. */
  unblockSound(): void {
    this.call?.unblockSound();
  }

  /** Measures the first frame on the element that shows the remote camera. */
  observeRemoteVideo(element: HTMLVideoElement): () => void {
    return this.call?.frame.observe(element) ?? (() => undefined);
  }

  /** Of the present call, or of the last one until it is dismissed. */
  get timeline(): CallTimeline {
    return this.call?.frame.timeline ?? {};
  }

  async stats(): Promise<CallStats | null> {
    return (await this.call?.stats()) ?? null;
  }

  private current(id: string): ActiveCall | null {
    return this.call?.id === id ? this.call : null;
  }

  private async allow(person: string, change: Partial<MediaState>): Promise<void> {
    const view = this.call?.getSnapshot().view;
    const party = view && partyOf(view, person);
    if (!view || !party) return;
    const allowed = { ...party.allowed, ...change };
    const same = (Object.keys(allowed) as TrackSource[]).every((source) => allowed[source] === party.allowed[source]);
    if (!same) await this.realtime.request('call.mute', { call: view.id, person, allowed });
  }

  private handleView(view: CallView): void {
    const current = this.current(view.id);
    if (current) {
      current.applyView(view);
      // Somebody else of this person answered: nothing to read here.
      if (current.getSnapshot().ended === 'answered_elsewhere') this.dismiss();
      return;
    }
    const free = !this.call || this.call.over;
    const me = this.session.me?.id ?? '';
    if (free && ringsFor(view, me)) this.create(roleOf(view, me), view.media === 'video')?.ring(view);
  }

  private handleWelcome(welcome: Welcome): void {
    this.tellUntold(welcome);
    if (this.call?.id && !this.call.over) {
      this.call.reconcile(welcome);
      if (this.call.getSnapshot().ended === 'answered_elsewhere') this.dismiss();
    }
    if (this.call && !this.call.over) return;
    const me = this.session.me?.id ?? '';
    for (const view of welcome.calls) {
      if (ringsFor(view, me)) this.handleView(view);
      else if (heldByThisTab(view.id)) void this.create(roleOf(view, me), view.media === 'video')?.rejoin(view);
    }
  }

  /** A call of the person's own making, unless they are in one. */
  private begin(role: CallRole, wantsVideo: boolean): ActiveCall | null {
    return this.call && !this.call.over ? null : this.create(role, wantsVideo);
  }

  private create(role: CallRole, wantsVideo: boolean): ActiveCall | null {
    const me = this.session.me;
    if (!me) return null;
    const call = new ActiveCall(this.realtime, this.ringer, me.id, role, wantsVideo);
    this.follow(call);
    return call;
  }

  private follow(call: ActiveCall): void {
    this.unfollow();
    this.call = call;
    this.unfollow = call.subscribe(() => {
      // A call that nobody has heard of yet has nothing to show.
      const snapshot = call.getSnapshot();
      if (snapshot.view || isOwn(snapshot.role)) this.set(snapshot);
    });
    if (isOwn(call.getSnapshot().role)) this.set(call.getSnapshot());
  }

  private tellUntold(welcome: Welcome): void {
    if (this.untold && welcome.calls.some((view) => view.id === this.untold)) {
      this.realtime.send('call.hang_up', { call: this.untold });
      welcome.calls = welcome.calls.filter((view) => view.id !== this.untold);
    }
    this.untold = null;
  }

  /** From Wi-Fi to cellular and back: where the browser tells, a new path is sought before the old one times out. */
  private watchNetworkType(): void {
    const connection = (globalThis.navigator as { connection?: EventTarget & { type?: string } } | undefined)?.connection;
    let type = connection?.type;
    connection?.addEventListener?.('change', () => {
      // The event also tells of mere speed estimates.
      if (connection.type === type) return;
      type = connection.type;
      this.call?.networkChanged();
    });
  }
}

function isOwn(role: CallRole): boolean {
  return role === 'caller' || role === 'listener';
}

function roleOf(view: CallView, me: string): CallRole {
  if (view.caller.person === me) return 'caller';
  if (view.callee.person === me) return 'callee';
  return partyOf(view, me)?.role === 'hidden' ? 'listener' : 'guest';
}

function ringsFor(view: CallView, me: string): boolean {
  const guest = view.guests.find(({ party }) => party.person === me);
  return guest ? guest.ringing && view.state !== 'ended' : view.state === 'ringing' && view.callee.person === me;
}

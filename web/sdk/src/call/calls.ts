/** The one call of this client: which it is, and what the person does with it. */
import type { CallMedia, CallSubject, CallView, Welcome } from '../generated/realtime';
import type { Realtime } from '../realtime';
import type { Session } from '../session';
import { Store } from '../store';
import type { CallDevices, CallSnapshot, CallStats, CallTimeline } from '../types';
import { ActiveCall } from './active-call';
import { LocalMedia } from './local-media';
import { Ringer } from './ringer';
import { heldByThisTab } from './tab';

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
    realtime.on('call.offer_needed', (need) => this.current(need.call)?.offerNeeded(need.video_slots));
    realtime.on('call.quality', ({ call, person, level }) => this.current(call)?.setRelayQuality(person, level));
    this.session.onSignedOut(() => {
      this.call?.finish('hung_up');
      this.dismiss();
    });
    globalThis.addEventListener?.('online', () => this.call?.networkChanged());
    this.watchNetworkType();
  }

  /** Calls the other side of that consultation or callback request. */
  async start(subject: CallSubject, media: CallMedia): Promise<void> {
    const me = this.session.me;
    if (!me || (this.call && !this.call.over)) return;
    const call = new ActiveCall(this.realtime, this.ringer, me.id, 'caller', media === 'video');
    this.follow(call);
    await call.start(subject, media);
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
    await this.call?.setMicrophone(on);
  }

  async setCamera(on: boolean): Promise<void> {
    await this.call?.setCamera(on);
  }

  async flipCamera(): Promise<void> {
    await this.call?.flipCamera();
  }

  async startScreen(): Promise<void> {
    await this.call?.startScreen();
  }

  async stopScreen(): Promise<void> {
    await this.call?.stopScreen();
  }

  async devices(): Promise<CallDevices> {
    return (this.call?.local ?? new LocalMedia()).devices();
  }

  async selectMicrophone(deviceId: string): Promise<void> {
    await this.call?.switchMicrophone(deviceId);
  }

  async selectCamera(deviceId: string): Promise<void> {
    await this.call?.switchCamera({ deviceId });
  }

  async selectSpeaker(deviceId: string): Promise<void> {
    await this.call?.switchSpeaker(deviceId);
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

  private handleView(view: CallView): void {
    const current = this.current(view.id);
    if (current) {
      current.applyView(view);
      // Somebody else of this person answered: nothing to read here.
      if (current.getSnapshot().ended === 'answered_elsewhere') this.dismiss();
      return;
    }
    const free = !this.call || this.call.over;
    if (free && view.state === 'ringing' && view.callee.person === this.session.me?.id) this.ring(view);
  }

  private handleWelcome(welcome: Welcome): void {
    this.tellUntold(welcome);
    if (this.call?.id && !this.call.over) {
      this.call.reconcile(welcome);
      if (this.call.getSnapshot().ended === 'answered_elsewhere') this.dismiss();
    }
    if (this.call && !this.call.over) return;
    for (const view of welcome.calls) {
      if (view.state === 'ringing' || heldByThisTab(view.id)) this.resume(view);
    }
  }

  private resume(view: CallView): void {
    if (view.state !== 'ringing') {
      const role = view.caller.person === this.session.me?.id ? 'caller' : 'callee';
      const call = this.create(role, view.media === 'video');
      void call?.rejoin(view);
    } else {
      this.handleView(view);
    }
  }

  private ring(view: CallView): void {
    this.create('callee', view.media === 'video')?.ring(view);
  }

  private create(role: CallSnapshot['role'], wantsVideo: boolean): ActiveCall | null {
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
      if (snapshot.view || snapshot.role === 'caller') this.set(snapshot);
    });
    if (call.getSnapshot().role === 'caller') this.set(call.getSnapshot());
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

/**
 * The one peer connection of a call. The client always offers; negotiations run
 * one after another. Which m-line is what: first audio microphone, first video
 * camera, second video screen; further ones only receive. Knows nothing of ringing.
 */
import type { IceServer, MediaSlot, TrackSource } from '../generated/realtime';
import { cameraEncodings, Encodings } from './encodings';
import type { OwnSources } from './health';
import type { Received } from './people';
import { tuned } from './sdp';

/** A disconnect shorter than this often heals by itself. */
const DISCONNECT_GRACE_MS = 1_500;
/** Between two ICE restarts. */
const RESTART_INTERVAL_MS = 3_000;

export interface PeerEvents {
  /** Sends an offer to the relay and resolves with its answer. */
  exchange(sdp: string): Promise<string>;
  tracksChanged(): void;
  stateChanged(state: RTCPeerConnectionState): void;
  iceChanged(state: RTCIceConnectionState): void;
  dtlsConnected(): void;
}

export interface PeerOptions {
  iceServers: readonly IceServer[];
  self: string;
  /** False for who only listens. */
  sends: boolean;
}

export class Peer {
  readonly connection: RTCPeerConnection;
  private readonly self: string;
  private readonly audio: RTCRtpTransceiver;
  private readonly video: RTCRtpTransceiver;
  private readonly camera: Encodings;
  private screen: { transceiver: RTCRtpTransceiver; encodings: Encodings } | null = null;
  private slots: readonly MediaSlot[] = [];
  private ready: () => void = () => undefined;
  /** Later offers wait for the first answer. */
  private queue: Promise<void> = new Promise((resolve) => {
    this.ready = resolve;
  });
  private restartTimer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;
  private first = true;
  /** True once the first answer is applied. */
  established = false;

  constructor(
    { iceServers, self, sends }: PeerOptions,
    private readonly events: PeerEvents,
  ) {
    this.self = self;
    this.connection = new RTCPeerConnection({
      bundlePolicy: 'max-bundle',
      iceServers: iceServers.map(({ urls, username, credential }) => ({
        urls,
        ...(username ? { username } : {}),
        ...(credential ? { credential } : {}),
      })),
    });
    const direction = sends ? 'sendrecv' : 'recvonly';
    this.audio = this.connection.addTransceiver('audio', { direction });
    this.video = this.connection.addTransceiver('video', { direction, ...(sends ? { sendEncodings: cameraEncodings() } : {}) });
    this.camera = new Encodings(this.video.sender, 'camera');
    preferRedundancy(this.audio);
    this.listen();
  }

  /** The first offer; its answer comes with the call's own frames and goes to `establish`. */
  async firstOffer(): Promise<string> {
    const offer = await this.connection.createOffer();
    await this.connection.setLocalDescription(offer);
    return this.localSdp();
  }

  async establish(answer: string): Promise<void> {
    if (this.closed) return;
    await this.connection.setRemoteDescription({ type: 'answer', sdp: tuned(answer) });
    this.established = true;
    await this.camera.apply();
    this.ready();
    this.events.tracksChanged();
  }

  async setMicrophone(track: MediaStreamTrack | null): Promise<void> {
    if (!this.closed) await this.audio.sender.replaceTrack(track);
  }

  async setCamera(track: MediaStreamTrack | null): Promise<void> {
    if (this.closed) return;
    await this.video.sender.replaceTrack(track);
    await this.camera.apply();
  }

  /** The first screen adds an m-line; later ones reuse it. */
  async setScreen(track: MediaStreamTrack | null): Promise<void> {
    if (this.closed) return;
    const slot = this.screen?.transceiver ?? this.secondVideo();
    if (slot) {
      await slot.sender.replaceTrack(track);
      if (slot.direction !== 'sendrecv') {
        slot.direction = 'sendrecv';
        await this.negotiate();
      }
      await this.screenOn(slot).apply();
    } else if (track) {
      const added = this.connection.addTransceiver(track, { direction: 'sendrecv' });
      const encodings = this.screenOn(added);
      await this.negotiate();
      await encodings.apply();
    }
  }

  /** Which layers of an own source are watched, as the relay says. */
  async setLayers(source: TrackSource, rids: readonly string[]): Promise<void> {
    if (this.closed) return;
    if (source === 'camera') await this.camera.want(rids);
    if (source === 'screen') await this.screen?.encodings.want(rids);
  }

  /** The relay needs at least this many m-lines that receive. */
  async ensureSlots(audio: number, video: number): Promise<void> {
    if (this.closed) return;
    let added = false;
    for (const [kind, count] of [['audio', audio], ['video', video]] as const) {
      const present = this.connection.getTransceivers().filter((transceiver) => kindOf(transceiver) === kind).length;
      for (let index = present; index < count; index += 1) {
        this.connection.addTransceiver(kind, { direction: 'recvonly' });
        added = true;
      }
    }
    if (added) await this.negotiate();
  }

  setSlots(slots: readonly MediaSlot[]): void {
    this.slots = slots;
    this.events.tracksChanged();
  }

  /** The m-lines that a call of two uses. */
  get firstMids(): { audio: string | null; video: string | null } {
    return { audio: this.audio.mid, video: this.video.mid };
  }

  /** Which own source is on which m-line. */
  get ownSources(): OwnSources {
    const { audio, video, screen } = this;
    const pairs = [[audio.mid, 'microphone'], [video.mid, 'camera'], [screen?.transceiver.mid, 'screen']] as const;
    return Object.fromEntries(pairs.flatMap(([mid, source]) => (mid ? [[mid, source]] : [])));
  }

  /** What arrives of the others. */
  received(assumed: readonly MediaSlot[]): Received[] {
    const slots = this.slots.length > 0 ? this.slots : assumed;
    return slots.flatMap(({ mid, person, source, pause }) => {
      if (person === null || source === null || person === this.self) return [];
      const track = this.transceiver(mid)?.receiver.track;
      return track ? [{ mid, person, source, pause, track }] : [];
    });
  }

  /** Where a remote camera arrives; the first video m-line until the relay says otherwise. */
  cameraReceiver(): RTCRtpReceiver {
    const slot = this.slots.find((candidate) => candidate.source === 'camera' && candidate.person !== this.self);
    return (slot && this.transceiver(slot.mid)?.receiver) ?? this.video.receiver;
  }

  /** Finds a new path now: the network changed or the connection failed. */
  restartIce(): void {
    if (this.closed || !this.established) return;
    clearTimeout(this.restartTimer);
    this.connection.restartIce();
    this.negotiate().catch(() => undefined);
    this.restartTimer = setTimeout(() => {
      if (!this.closed && !this.connected) this.restartIce();
    }, RESTART_INTERVAL_MS);
  }

  /** Something of the others arrives. */
  get hears(): boolean {
    return this.connection.getReceivers().some(({ track }) => !track.muted);
  }

  get connected(): boolean {
    return this.connection.connectionState === 'connected';
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.restartTimer);
    this.connection.close();
  }

  /** One at a time: an offer while another is out would be refused. */
  private negotiate(): Promise<void> {
    const next = this.queue.catch(() => undefined).then(() => this.negotiateOnce());
    this.queue = next;
    return next;
  }

  private async negotiateOnce(): Promise<void> {
    if (this.closed) return;
    const { connection } = this;
    await connection.setLocalDescription(await connection.createOffer());
    try {
      const answer = await this.events.exchange(this.localSdp());
      if (this.closed) return;
      await connection.setRemoteDescription({ type: 'answer', sdp: tuned(answer) });
      this.events.tracksChanged();
    } catch (error) {
      // Back to stable, so that the next try can offer again.
      if (!this.closed && connection.signalingState === 'have-local-offer') {
        await connection.setLocalDescription({ type: 'rollback' });
      }
      throw error;
    }
  }

  private localSdp(): string {
    return this.connection.localDescription?.sdp ?? '';
  }

  private screenOn(transceiver: RTCRtpTransceiver): Encodings {
    this.screen ??= { transceiver, encodings: new Encodings(transceiver.sender, 'screen') };
    return this.screen.encodings;
  }

  private secondVideo(): RTCRtpTransceiver | null {
    return this.connection.getTransceivers().filter((transceiver) => kindOf(transceiver) === 'video')[1] ?? null;
  }

  private transceiver(mid: string): RTCRtpTransceiver | null {
    return this.connection.getTransceivers().find((transceiver) => transceiver.mid === mid) ?? null;
  }

  private listen(): void {
    const { connection } = this;
    connection.ontrack = () => this.events.tracksChanged();
    connection.oniceconnectionstatechange = () => this.events.iceChanged(connection.iceConnectionState);
    connection.onconnectionstatechange = () => this.handleState();
  }

  private handleState(): void {
    const state = this.connection.connectionState;
    if (state === 'connected') clearTimeout(this.restartTimer);
    if (state === 'connected' && this.first) {
      this.first = false;
      this.events.dtlsConnected();
    }
    if (state === 'failed') this.restartIce();
    if (state === 'disconnected') {
      clearTimeout(this.restartTimer);
      this.restartTimer = setTimeout(() => this.restartIce(), DISCONNECT_GRACE_MS);
    }
    this.events.stateChanged(state);
  }
}

/** RED (RFC 2198) before Opus, where the browser has it: speech then survives single losses unharmed. */
function preferRedundancy(audio: RTCRtpTransceiver): void {
  const codecs = globalThis.RTCRtpReceiver?.getCapabilities?.('audio')?.codecs ?? [];
  const red = codecs.filter((codec) => codec.mimeType.toLowerCase() === 'audio/red');
  if (red.length === 0 || !audio.setCodecPreferences) return;
  audio.setCodecPreferences([...red, ...codecs.filter((codec) => !red.includes(codec))]);
}

function kindOf(transceiver: RTCRtpTransceiver): string {
  return transceiver.receiver.track.kind;
}

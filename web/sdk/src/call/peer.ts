/**
 * The one peer connection of a call. The client always offers; negotiations run
 * one after another. Which m-line is what: first audio microphone, first video
 * camera, second video screen. Knows nothing of ringing.
 */
import type { IceServer, MediaSlot, TrackSource } from '../generated/realtime';

/** A disconnect shorter than this often heals by itself. */
const DISCONNECT_GRACE_MS = 1_500;
/**
 * Chromium starts at 300 kb/s, which makes the first seconds of a 720p camera a
 * 180p one. The estimator still lowers it within a round trip where the path is thin.
 */
const START_KBPS = 1_500;
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

export interface RemoteTracks {
  audio: MediaStreamTrack | null;
  camera: MediaStreamTrack | null;
  screen: MediaStreamTrack | null;
}

export class Peer {
  readonly connection: RTCPeerConnection;
  private readonly audio: RTCRtpTransceiver;
  private readonly video: RTCRtpTransceiver;
  private screen: RTCRtpTransceiver | null = null;
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
    iceServers: readonly IceServer[],
    private readonly self: string,
    private readonly events: PeerEvents,
  ) {
    this.connection = new RTCPeerConnection({
      bundlePolicy: 'max-bundle',
      iceServers: iceServers.map(({ urls, username, credential }) => ({
        urls,
        ...(username ? { username } : {}),
        ...(credential ? { credential } : {}),
      })),
    });
    this.audio = this.connection.addTransceiver('audio', { direction: 'sendrecv' });
    this.video = this.connection.addTransceiver('video', { direction: 'sendrecv' });
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
    await this.connection.setRemoteDescription({ type: 'answer', sdp: withStartBitrate(answer) });
    this.established = true;
    this.ready();
    this.events.tracksChanged();
  }

  async setMicrophone(track: MediaStreamTrack | null): Promise<void> {
    if (!this.closed) await this.audio.sender.replaceTrack(track);
  }

  async setCamera(track: MediaStreamTrack | null): Promise<void> {
    if (!this.closed) await this.video.sender.replaceTrack(track);
  }

  /** The first screen adds an m-line; later ones reuse it. */
  async setScreen(track: MediaStreamTrack | null): Promise<void> {
    if (this.closed) return;
    const slot = this.screen ?? this.secondVideo();
    if (slot) {
      this.screen = slot;
      await slot.sender.replaceTrack(track);
      if (slot.direction === 'sendrecv') return;
      slot.direction = 'sendrecv';
    } else if (track) {
      this.screen = this.connection.addTransceiver(track, { direction: 'sendrecv' });
    } else {
      return;
    }
    await this.negotiate();
  }

  /** The relay needs at least this many video m-lines that receive. */
  async ensureVideoSlots(count: number): Promise<void> {
    if (this.closed) return;
    const present = this.connection.getTransceivers().filter(isVideo).length;
    for (let index = present; index < count; index += 1) {
      this.connection.addTransceiver('video', { direction: 'recvonly' });
    }
    await this.negotiate();
  }

  setSlots(slots: readonly MediaSlot[]): void {
    this.slots = slots;
    this.events.tracksChanged();
  }

  /** Tracks of the others by what they carry. */
  remoteTracks(): RemoteTracks {
    return {
      audio: this.remote('microphone') ?? (this.slots.length === 0 ? this.audio.receiver.track : null),
      camera: this.remote('camera') ?? (this.slots.length === 0 ? this.video.receiver.track : null),
      screen: this.remote('screen'),
    };
  }

  /** Where the remote camera arrives; the first video m-line until the relay says otherwise. */
  cameraReceiver(): RTCRtpReceiver {
    return this.slotTransceiver('camera')?.receiver ?? this.video.receiver;
  }

  /** Finds a new path now: the network changed or the connection failed. */
  restartIce(): void {
    if (this.closed || !this.established) return;
    clearTimeout(this.restartTimer);
    this.connection.restartIce();
    this.negotiate().catch(() => undefined);
    this.restartTimer = setTimeout(() => {
      if (!this.closed && !isConnected(this.connection)) this.restartIce();
    }, RESTART_INTERVAL_MS);
  }

  get connected(): boolean {
    return isConnected(this.connection);
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
      await connection.setRemoteDescription({ type: 'answer', sdp: withStartBitrate(answer) });
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

  private secondVideo(): RTCRtpTransceiver | null {
    return this.connection.getTransceivers().filter(isVideo)[1] ?? null;
  }

  private remote(source: TrackSource): MediaStreamTrack | null {
    return this.slotTransceiver(source)?.receiver.track ?? null;
  }

  private slotTransceiver(source: TrackSource): RTCRtpTransceiver | null {
    const slot = this.slots.find((candidate) => candidate.source === source && candidate.person !== this.self);
    if (!slot) return null;
    return this.connection.getTransceivers().find((transceiver) => transceiver.mid === slot.mid) ?? null;
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

/** Adds the start bitrate to the format lines of video codecs; browsers that do not know it ignore it. */
export function withStartBitrate(sdp: string): string {
  return sdp
    .split(/(?=^m=)/m)
    .map((section) => (section.startsWith('m=video') ? withVideoStart(section) : section))
    .join('');
}

function withVideoStart(section: string): string {
  const start = `x-google-start-bitrate=${START_KBPS}`;
  let result = section;
  for (const [line, type, codec] of section.matchAll(/^a=rtpmap:(\d+) (\w+)\/90000\r?$/gm)) {
    if (!codec || !/^(VP8|VP9|H264|AV1)$/i.test(codec)) continue;
    const format = new RegExp(`^a=fmtp:${type} [^\\r\\n]*`, 'm').exec(section)?.[0];
    result = format
      ? result.replace(format, `${format};${start}`)
      : result.replace(line, `${line.trimEnd()}\r\na=fmtp:${type} ${start}${line.endsWith('\r') ? '\r' : ''}`);
  }
  return result;
}

function isVideo(transceiver: RTCRtpTransceiver): boolean {
  return transceiver.receiver.track.kind === 'video';
}

function isConnected(connection: RTCPeerConnection): boolean {
  return connection.connectionState === 'connected';
}

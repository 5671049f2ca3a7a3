/**
 * What this person sends: turning devices on and off, switching them, sharing the
 * screen. One change at a time; a refusal is shown, not thrown. What the house does not
 * allow stays off, whatever is pressed.
 */
import type { MediaState } from '../generated/realtime';
import type { CallSnapshot } from '../types';
import { type Device, LocalMedia, MediaProblem } from './local-media';
import type { Peer } from './peer';
import { Streams } from './streams';

/** What the devices need of the call they are for. */
export interface DeviceHost {
  readonly over: boolean;
  readonly peer: Peer | null;
  readonly media: MediaState;
  readonly allowed: MediaState;
  patch(change: Partial<CallSnapshot>): void;
  /** The whole state of what is sent changed. */
  mediaChanged(media: MediaState): void;
}

export const ALL: MediaState = { microphone: true, camera: true, screen: true };
export const NOTHING: MediaState = { microphone: false, camera: false, screen: false };

export class OwnDevices {
  readonly local = new LocalMedia((device) => void this.reopen(device));
  private readonly streams = new Streams();
  private work: Promise<void> = Promise.resolve();

  constructor(private readonly host: DeviceHost) {}

  setMicrophone(on: boolean): Promise<void> {
    if (on && !this.host.allowed.microphone) return Promise.resolve();
    return this.change(async () => {
      if (on) await this.local.open({ microphone: true, camera: false });
      if (this.local.microphone) this.local.microphone.enabled = on;
      await this.host.peer?.setMicrophone(this.local.microphone);
      this.changed({ microphone: on });
    });
  }

  setCamera(on: boolean): Promise<void> {
    if (on && !this.host.allowed.camera) return Promise.resolve();
    return this.change(async () => {
      if (on) {
        await this.local.open({ microphone: false, camera: true });
        await this.host.peer?.setCamera(this.local.camera);
      } else {
        await this.host.peer?.setCamera(null);
        this.local.closeCamera();
      }
      this.changed({ camera: on });
    });
  }

  switchCamera(choice: { deviceId: string } | { facing: 'user' | 'environment' }): Promise<void> {
    if (!this.host.allowed.camera) return Promise.resolve();
    return this.change(async () => {
      const track = await this.local.switchCamera(choice);
      await this.host.peer?.setCamera(track);
      this.changed({ camera: true });
      this.host.patch({ facing: this.local.facing });
    });
  }

  flipCamera(): Promise<void> {
    return this.switchCamera({ facing: this.local.facing === 'user' ? 'environment' : 'user' });
  }

  switchMicrophone(deviceId: string): Promise<void> {
    return this.change(async () => {
      await this.host.peer?.setMicrophone(await this.local.switchMicrophone(deviceId));
    });
  }

  startScreen(): Promise<void> {
    if (!this.host.allowed.screen) return Promise.resolve();
    return this.change(async () => {
      const track = await this.local.openScreen();
      // The browser has its own button that ends the sharing.
      track.onended = () => void this.stopScreen();
      await this.host.peer?.setScreen(track);
      this.changed({ screen: true });
    });
  }

  stopScreen(): Promise<void> {
    return this.change(async () => {
      if (!this.local.screen) return;
      this.local.closeScreen();
      await this.host.peer?.setScreen(null);
      this.changed({ screen: false });
    });
  }

  /**
   * A device ended by itself. What was being sent is opened again; what was off stays so,
   * and is opened when it is turned on. When it does not come back, the others see it off.
   */
  private reopen(device: Device): Promise<void> {
    return this.change(async () => {
      // Switched or closed meanwhile, or turned off.
      if (this.local[device]?.readyState !== 'ended' || !this.host.media[device]) return;
      try {
        await this.local.reopen(device);
      } catch (error) {
        this.changed({ [device]: false });
        throw error;
      }
      const { peer } = this.host;
      if (device === 'microphone') await peer?.setMicrophone(this.local.microphone);
      else await peer?.setCamera(this.local.camera);
    });
  }

  /** The house took something away: it goes off here too, so that the light goes out. */
  obey(allowed: MediaState): void {
    const { media } = this.host;
    if (media.microphone && !allowed.microphone) void this.setMicrophone(false);
    if (media.camera && !allowed.camera) void this.setCamera(false);
    if (media.screen && !allowed.screen) void this.stopScreen();
  }

  /** Opens what a call begins with; a refusal is shown. */
  async open(camera: boolean): Promise<void> {
    try {
      await this.local.open({ microphone: true, camera });
      this.host.patch({ problem: null });
    } catch (error) {
      this.show(error);
    }
    this.settle();
  }

  /** Opens the devices while it rings, when the browser needs no question for it. */
  async prewarm(camera: boolean): Promise<void> {
    if (!(await this.local.mayOpenSilently(camera)) || this.host.over) return;
    await this.local.open({ microphone: true, camera }).catch(() => undefined);
    this.settle();
  }

  /** Gives a peer connection what is open. */
  async attach(peer: Peer): Promise<void> {
    await Promise.all([peer.setMicrophone(this.local.microphone), peer.setCamera(this.local.camera)]);
  }

  /** What is sent when this is wanted: only what is open and allowed. */
  sending(microphone: boolean, camera: boolean): MediaState {
    const { allowed } = this.host;
    return {
      microphone: microphone && allowed.microphone && this.local.microphone !== null,
      camera: camera && allowed.camera && this.local.camera !== null,
      screen: allowed.screen && this.local.screen !== null,
    };
  }

  close(): void {
    this.local.close();
  }

  private change(work: () => Promise<void>): Promise<void> {
    const next = this.work.then(async () => {
      if (this.host.over) return;
      try {
        await work();
        this.host.patch({ problem: null });
      } catch (error) {
        this.show(error);
      }
      this.settle();
    });
    this.work = next;
    return next;
  }

  private show(error: unknown): void {
    if (error instanceof MediaProblem) this.host.patch({ problem: error.problem });
  }

  private changed(change: Partial<MediaState>): void {
    this.host.mediaChanged({ ...this.host.media, ...change });
  }

  /** Shows what is open; after the end of the call nothing may be. */
  private settle(): void {
    if (this.host.over) {
      this.local.close();
      return;
    }
    const { camera, screen } = this.local;
    this.host.patch({ local: { camera: this.streams.of('camera', camera), screen: this.streams.of('screen', screen) } });
    void this.local.devices().then((devices) => this.host.patch({ canFlip: devices.cameras.length > 1 }));
  }
}

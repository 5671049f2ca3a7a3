/** The own microphone, camera and screen: opening, switching and releasing devices. */
import type { CallDevices, CallProblem } from '../types';

const AUDIO: MediaTrackConstraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const VIDEO: MediaTrackConstraints = {
  width: { ideal: 1280 },
  height: { ideal: 720 },
  frameRate: { ideal: 30, max: 30 },
};

export class MediaProblem extends Error {
  override readonly name = 'MediaProblem';

  constructor(readonly problem: CallProblem) {
    super(problem);
  }
}

type Facing = 'user' | 'environment';

/** What is opened by a permission, and may go away by itself. */
export type Device = 'microphone' | 'camera';

export class LocalMedia {
  microphone: MediaStreamTrack | null = null;
  camera: MediaStreamTrack | null = null;
  screen: MediaStreamTrack | null = null;
  facing: Facing = 'user';
  private microphoneId: string | null = null;
  private cameraId: string | null = null;
  speakerId: string | null = null;
  private opening: Promise<void> = Promise.resolve();

  /** `lost` hears of a device that ended without being asked to. */
  constructor(private readonly lost: (device: Device) => void = () => undefined) {}

  /** Opens what is missing, with one question to the person when both are needed. One at a time. */
  open(wanted: { microphone: boolean; camera: boolean }): Promise<void> {
    const next = this.opening.catch(() => undefined).then(() => this.openMissing(wanted));
    this.opening = next;
    return next;
  }

  /** Without a question to the person: only when the browser has remembered a yes. */
  async mayOpenSilently(camera: boolean): Promise<boolean> {
    try {
      const names = camera ? ['microphone', 'camera'] : ['microphone'];
      const states = await Promise.all(
        names.map((name) => navigator.permissions.query({ name: name as PermissionName })),
      );
      return states.every((status) => status.state === 'granted');
    } catch {
      // A browser that can not be asked.
      return false;
    }
  }

  /** Releases the camera, so that its light goes out. */
  closeCamera(): void {
    this.camera?.stop();
    this.camera = null;
  }

  async openScreen(): Promise<MediaStreamTrack> {
    if (!navigator.mediaDevices?.getDisplayMedia) throw new MediaProblem('unsupported');
    try {
      const stream = await navigator.mediaDevices.getDisplayMedia({
        video: { frameRate: { ideal: 15, max: 30 } },
        audio: false,
      });
      const track = stream.getVideoTracks()[0];
      if (!track) throw new MediaProblem('screen_denied');
      // Text has to stay legible; motion may stutter.
      track.contentHint = 'detail';
      this.screen = track;
      return track;
    } catch (error) {
      if (error instanceof MediaProblem) throw error;
      throw new MediaProblem('screen_denied');
    }
  }

  closeScreen(): void {
    this.screen?.stop();
    this.screen = null;
  }

  /**
   * Opens a device that ended: unplugged, taken by another program, or given up by the
   * system while the phone slept. When the chosen one is gone, another will do.
   */
  async reopen(device: Device): Promise<void> {
    const enabled = this[device]?.enabled ?? true;
    const wanted = { microphone: device === 'microphone', camera: device === 'camera' };
    try {
      await this.open(wanted);
    } catch {
      if (device === 'microphone') this.microphoneId = null;
      else this.cameraId = null;
      await this.open(wanted);
    }
    const track = this[device];
    if (track) track.enabled = enabled;
  }

  async switchMicrophone(deviceId: string): Promise<MediaStreamTrack> {
    this.microphoneId = deviceId;
    const enabled = this.microphone?.enabled ?? true;
    this.microphone?.stop();
    this.microphone = null;
    await this.open({ microphone: true, camera: false });
    if (!this.microphone) throw new MediaProblem('microphone_missing');
    (this.microphone as MediaStreamTrack).enabled = enabled;
    return this.microphone;
  }

  async switchCamera(choice: { deviceId: string } | { facing: Facing }): Promise<MediaStreamTrack> {
    if ('deviceId' in choice) {
      this.cameraId = choice.deviceId;
    } else {
      this.cameraId = null;
      this.facing = choice.facing;
    }
    // Most phones refuse a second camera while the first is open.
    this.closeCamera();
    await this.open({ microphone: false, camera: true });
    if (!this.camera) throw new MediaProblem('camera_missing');
    return this.camera;
  }

  async devices(): Promise<CallDevices> {
    const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    // Before a permission the browser lists nameless devices without ids; they can not be chosen.
    const kind = (wanted: MediaDeviceKind) => all.filter((device) => device.kind === wanted && device.deviceId !== '');
    return {
      microphones: kind('audioinput'),
      cameras: kind('videoinput'),
      speakers: kind('audiooutput'),
      selected: {
        microphone: this.microphone?.getSettings().deviceId ?? this.microphoneId,
        camera: this.camera?.getSettings().deviceId ?? this.cameraId,
        speaker: this.speakerId,
      },
    };
  }

  close(): void {
    this.microphone?.stop();
    this.microphone = null;
    this.closeCamera();
    this.closeScreen();
    // An opening that is still under way must not leave a light on.
    void this.opening
      .catch(() => undefined)
      .then(() => {
        this.microphone?.stop();
        this.camera?.stop();
        this.microphone = null;
        this.camera = null;
      });
  }

  private async openMissing(wanted: { microphone: boolean; camera: boolean }): Promise<void> {
    const microphone = wanted.microphone && this.microphone?.readyState !== 'live';
    const camera = wanted.camera && this.camera?.readyState !== 'live';
    if (!microphone && !camera) return;
    if (!navigator.mediaDevices?.getUserMedia) throw new MediaProblem('unsupported');
    try {
      await this.request(microphone, camera);
    } catch (error) {
      // Which of the two failed is only known by asking for one: sound matters more than a picture.
      if (microphone && camera) {
        await this.single(true, false);
        await this.single(false, true);
      } else {
        throw mediaProblem(error, microphone);
      }
    }
  }

  private async single(microphone: boolean, camera: boolean): Promise<void> {
    try {
      await this.request(microphone, camera);
    } catch (error) {
      throw mediaProblem(error, microphone);
    }
  }

  private async request(microphone: boolean, camera: boolean): Promise<void> {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: microphone && { ...AUDIO, ...(this.microphoneId ? { deviceId: { exact: this.microphoneId } } : {}) },
      video:
        camera && {
          ...VIDEO,
          ...(this.cameraId ? { deviceId: { exact: this.cameraId } } : { facingMode: { ideal: this.facing } }),
        },
    });
    this.microphone = this.watched('microphone', stream.getAudioTracks()[0]) ?? this.microphone;
    this.camera = this.watched('camera', stream.getVideoTracks()[0]) ?? this.camera;
  }

  private watched(device: Device, track: MediaStreamTrack | undefined): MediaStreamTrack | undefined {
    // Not fired by stop(): only by what happens to the device.
    if (track) track.onended = () => this.lost(device);
    return track;
  }
}

function mediaProblem(error: unknown, microphone: boolean): MediaProblem {
  const name = error instanceof DOMException ? error.name : '';
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return new MediaProblem(microphone ? 'microphone_denied' : 'camera_denied');
    case 'NotReadableError':
    case 'AbortError':
      return new MediaProblem('device_busy');
    default:
      return new MediaProblem(microphone ? 'microphone_missing' : 'camera_missing');
  }
}

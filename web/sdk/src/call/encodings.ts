/**
 * How the own pictures are encoded: the camera in up to three sizes, of which the relay
 * passes on what each receiver can use; the screen in one. Layers that nobody watches
 * are switched off, so that they cost neither the battery nor the uplink.
 */
import type { TrackSource } from '../generated/realtime';

/** Low to high, as the relay names them. */
export const RIDS = ['q', 'h', 'f'] as const;

/** 180p, 360p and 720p of a 720p camera. Rates are those at which VP8 looks as good as it gets there. */
const CAMERA: RTCRtpEncodingParameters[] = [
  { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_700_000 },
];

/** Text wants every pixel and few frames. */
const SCREEN_BPS = 2_500_000;
const SCREEN_FPS = 15;

/** A layer that would be lower than this shows nothing. */
const LEAST_LINES = 135;

export function cameraEncodings(): RTCRtpEncodingParameters[] {
  return CAMERA.map((encoding) => ({ ...encoding }));
}

/**
 * Which encodings to send: those that somebody watches, of those that a picture of this
 * height has. Null: nobody has said yet, so all. With a small camera the highest layer
 * stands in for lower ones that do not exist.
 */
export function activeRids(wanted: readonly string[] | null, height: number | undefined): string[] {
  const lines = height ?? Infinity;
  const real = CAMERA.filter(({ scaleResolutionDownBy }) => lines / (scaleResolutionDownBy ?? 1) >= LEAST_LINES).map(ridOf);
  const available = real.length > 0 ? real : ['f'];
  if (wanted === null) return available;
  const matched = wanted.map((rid) => (available.includes(rid) ? rid : available[0])).filter((rid) => rid !== undefined);
  return RIDS.filter((rid) => matched.includes(rid));
}

function ridOf(encoding: RTCRtpEncodingParameters): string {
  return encoding.rid ?? 'f';
}

/** The encodings of one sender, changed one after another: a change must follow the reading it is made from. */
export class Encodings {
  private wanted: readonly string[] | null = null;
  private work: Promise<void> = Promise.resolve();

  constructor(
    private readonly sender: RTCRtpSender,
    private readonly source: Exclude<TrackSource, 'microphone'>,
  ) {}

  /** The relay's word on which layers are watched; none at all: nobody watches. */
  want(rids: readonly string[] | null): Promise<void> {
    this.wanted = rids;
    return this.apply();
  }

  /** After the track changed, or the connection was negotiated. */
  apply(): Promise<void> {
    const next = this.work.then(() => this.applyNow());
    this.work = next.catch(() => undefined);
    return next;
  }

  private async applyNow(): Promise<void> {
    const parameters = this.sender.getParameters();
    // Before the first negotiation there is nothing to change.
    if (!parameters.encodings || parameters.encodings.length === 0) return;
    const before = JSON.stringify(parameters);
    if (this.source === 'screen') this.shapeScreen(parameters);
    else this.shapeCamera(parameters);
    if (JSON.stringify(parameters) !== before) await this.sender.setParameters(parameters);
  }

  private shapeScreen(parameters: RTCRtpSendParameters): void {
    parameters.degradationPreference = 'maintain-resolution';
    for (const encoding of parameters.encodings) {
      encoding.maxBitrate = SCREEN_BPS;
      encoding.maxFramerate = SCREEN_FPS;
      encoding.active = this.wanted === null || this.wanted.length > 0;
    }
  }

  private shapeCamera(parameters: RTCRtpSendParameters): void {
    const { encodings } = parameters;
    if (encodings.length === 1) {
      // The answer took one encoding alone, and browsers then keep the first: the smallest.
      for (const encoding of encodings) {
        const { scaleResolutionDownBy, maxBitrate } = CAMERA.at(-1) ?? {};
        Object.assign(encoding, { scaleResolutionDownBy, maxBitrate });
        encoding.active = this.wanted === null || this.wanted.length > 0;
      }
      return;
    }
    const active = activeRids(this.wanted, this.sender.track?.getSettings().height);
    for (const encoding of encodings) encoding.active = active.includes(ridOf(encoding));
  }
}

/** Measures a running call: the quality in words, and the reports to the house. */
import type { QualityLevel } from '../generated/realtime';
import type { Realtime } from '../realtime';
import type { FirstFrame } from './first-frame';
import type { Peer } from './peer';
import { measure, qualityOf, readStats, worse, type Measures, type Reading } from './stats';

const INTERVAL_MS = 4_000;
const NOTHING: Measures = { loss_percent: null, rtt_ms: null, jitter_ms: null, freezes: null };

export class Meter {
  private timer: ReturnType<typeof setInterval> | undefined;
  private reading: Reading | null = null;
  private own: QualityLevel = 'excellent';
  private relay: QualityLevel = 'excellent';
  private frameReported = false;

  constructor(
    private readonly realtime: Realtime,
    private readonly frame: FirstFrame,
    private readonly changed: (quality: QualityLevel) => void,
  ) {}

  get running(): boolean {
    return this.timer !== undefined;
  }

  start(call: string, peer: () => Peer | null): void {
    this.timer = setInterval(() => void this.measureNow(call, peer()), INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** The path itself broke, or came back. */
  setPath(broken: boolean): void {
    this.own = broken ? 'lost' : 'excellent';
    this.publish();
  }

  /** What the relay measured of this person's connection. */
  setRelay(level: QualityLevel): void {
    this.relay = level;
    this.publish();
  }

  report(call: string, measures: Measures = NOTHING): void {
    const first = this.frameReported ? null : this.frame.milliseconds;
    const sent = this.realtime.send('call.report', { call, first_frame_ms: first, ...measures });
    if (sent && first !== null) this.frameReported = true;
  }

  private async measureNow(call: string, peer: Peer | null): Promise<void> {
    if (!peer) return;
    const reading = await readStats(peer.connection);
    const measures = measure(this.reading, reading);
    this.reading = reading;
    if (peer.connected) this.own = qualityOf(measures);
    this.publish();
    this.report(call, measures);
  }

  private publish(): void {
    this.changed(worse(this.own, this.relay));
  }
}

/** Measures a running call: the quality in words, what does not flow, and the reports to the house. */
import type { CallReport, MediaSlot, QualityLevel } from '../generated/realtime';
import type { Realtime } from '../realtime';
import type { FirstFrame } from './first-frame';
import { Health, trackReports, type Expected, type OwnSources } from './health';
import type { Peer } from './peer';
import { measure, qualityOf, readStats, worse, type Reading } from './stats';

const INTERVAL_MS = 4_000;

/** What is measured, and what should be there. */
export interface Measured {
  peer: Peer;
  slots: readonly MediaSlot[];
  expected: Expected;
  sources: OwnSources;
}

export class Meter {
  private timer: ReturnType<typeof setInterval> | undefined;
  private last: { peer: Peer; reading: Reading } | null = null;
  private readonly health = new Health();
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

  start(call: string, measured: () => Measured | null): void {
    this.timer = setInterval(() => void this.measureNow(call, measured()), INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** The path itself broke, or came back. */
  setPath(broken: boolean): void {
    this.own = broken ? 'lost' : 'excellent';
    this.publish();
  }

  /** What the house says of this person's connection. */
  setRelay(level: QualityLevel): void {
    this.relay = level;
    this.publish();
  }

  /** The first frame is news that does not wait for the next round. */
  report(call: string, report: Partial<CallReport> = {}): void {
    const first = this.frameReported ? null : this.frame.milliseconds;
    const sent = this.realtime.send('call.report', { ...EMPTY, ...report, call, first_frame_ms: first });
    if (sent && first !== null) this.frameReported = true;
  }

  private async measureNow(call: string, measured: Measured | null): Promise<void> {
    if (!measured) return;
    const { peer, slots, expected, sources } = measured;
    const reading = await readStats(peer.connection);
    // Totals of another connection say nothing about this one.
    const before = this.last?.peer === peer ? this.last.reading : null;
    this.last = { peer, reading };
    const measures = measure(before, reading);
    if (peer.connected) this.own = qualityOf(measures);
    this.publish();
    const faults = peer.connected ? this.health.look(before, reading, expected) : [];
    this.report(call, { ...measures, tracks: trackReports(before, reading, slots, sources), faults });
  }

  private publish(): void {
    this.changed(worse(this.own, this.relay));
  }
}

const EMPTY: Omit<CallReport, 'call' | 'first_frame_ms'> = {
  loss_percent: null,
  concealed_percent: null,
  jitter_buffer_ms: null,
  rtt_ms: null,
  jitter_ms: null,
  freezes: null,
  estimate_bps: null,
  path: null,
  tracks: [],
  faults: [],
};

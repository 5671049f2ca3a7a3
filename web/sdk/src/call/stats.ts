/** Numbers of a running call: totals for tests, and the difference between two readings for reports. */
import type { CallReport, QualityLevel } from '../generated/realtime';
import type { CallStats } from '../types';

export interface Reading extends CallStats {
  audioReceived: number;
  audioLost: number;
  jitterMs: number | null;
  freezes: number;
}

interface InboundStats {
  type: string;
  kind?: string;
  framesDecoded?: number;
  frameWidth?: number;
  frameHeight?: number;
  framesSent?: number;
  totalAudioEnergy?: number;
  packetsReceived?: number;
  packetsLost?: number;
  jitter?: number;
  freezeCount?: number;
  nominated?: boolean;
  state?: string;
  currentRoundTripTime?: number;
}

export async function readStats(connection: RTCPeerConnection): Promise<Reading> {
  const reading = emptyReading(connection.iceConnectionState);
  const report = await connection.getStats();
  report.forEach((entry: InboundStats) => {
    if (entry.type === 'inbound-rtp' && entry.kind === 'audio') addAudio(reading, entry);
    else if (entry.type === 'inbound-rtp' && entry.kind === 'video') addVideo(reading, entry);
    else if (entry.type === 'outbound-rtp' && entry.kind === 'video') reading.framesSent += entry.framesSent ?? 0;
    else if (entry.type === 'candidate-pair' && entry.nominated && entry.state === 'succeeded') {
      if (entry.currentRoundTripTime !== undefined) reading.rttMs = entry.currentRoundTripTime * 1_000;
    }
  });
  return reading;
}

function addAudio(reading: Reading, entry: InboundStats): void {
  reading.totalAudioEnergy += entry.totalAudioEnergy ?? 0;
  reading.audioPacketsReceived += entry.packetsReceived ?? 0;
  reading.audioReceived += entry.packetsReceived ?? 0;
  reading.audioLost += entry.packetsLost ?? 0;
  reading.packetsLost += entry.packetsLost ?? 0;
  if (entry.jitter !== undefined) reading.jitterMs = entry.jitter * 1_000;
}

function addVideo(reading: Reading, entry: InboundStats): void {
  reading.framesDecoded += entry.framesDecoded ?? 0;
  reading.frameWidth = Math.max(reading.frameWidth, entry.frameWidth ?? 0);
  reading.frameHeight = Math.max(reading.frameHeight, entry.frameHeight ?? 0);
  reading.videoPacketsReceived += entry.packetsReceived ?? 0;
  reading.packetsLost += entry.packetsLost ?? 0;
  reading.freezes += entry.freezeCount ?? 0;
}

export type Measures = Pick<CallReport, 'loss_percent' | 'rtt_ms' | 'jitter_ms' | 'freezes'>;

/** What happened between two readings. */
export function measure(before: Reading | null, after: Reading): Measures {
  const received = after.audioReceived - (before?.audioReceived ?? 0);
  // The counter may go down when late packets arrive after all.
  const lost = Math.max(0, after.audioLost - (before?.audioLost ?? 0));
  return {
    loss_percent: received + lost > 0 ? (100 * lost) / (received + lost) : null,
    rtt_ms: after.rttMs,
    jitter_ms: after.jitterMs,
    freezes: Math.max(0, after.freezes - (before?.freezes ?? 0)),
  };
}

/**
 * The words of the interface. Thresholds: speech with Opus FEC stays clear up
 * to about 3 % loss and breaks up past 10 %; conversation gets hard past 400 ms
 * of round trip (ITU-T G.114 allows 150 ms one way for full comfort).
 */
export function qualityOf(measures: Measures): QualityLevel {
  const loss = measures.loss_percent ?? 0;
  const rtt = measures.rtt_ms ?? 0;
  const freezes = measures.freezes ?? 0;
  if (loss > 10 || rtt > 600 || freezes > 1) return 'poor';
  if (loss > 3 || rtt > 300 || freezes > 0) return 'good';
  return 'excellent';
}

const RANK: Record<QualityLevel, number> = { excellent: 0, good: 1, poor: 2, lost: 3 };

export function worse(a: QualityLevel, b: QualityLevel): QualityLevel {
  return RANK[a] >= RANK[b] ? a : b;
}

function emptyReading(iceState: RTCIceConnectionState): Reading {
  return {
    framesDecoded: 0,
    frameWidth: 0,
    frameHeight: 0,
    framesSent: 0,
    totalAudioEnergy: 0,
    audioPacketsReceived: 0,
    videoPacketsReceived: 0,
    packetsLost: 0,
    rttMs: null,
    iceState,
    audioReceived: 0,
    audioLost: 0,
    jitterMs: null,
    freezes: 0,
  };
}

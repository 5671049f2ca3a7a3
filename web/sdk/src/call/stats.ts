/** Numbers of a running call: one reading of `getStats`, and the difference between two for reports. */
import type { CallReport, Direction, MediaPath, QualityLevel } from '../generated/realtime';
import type { CallStats } from '../types';

/** Growing totals of one m-line in one direction. */
export interface TrackTotals {
  mid: string;
  kind: 'audio' | 'video';
  direction: Direction;
  packets: number;
  lost: number;
  bytes: number;
  /** Decoded, or sent. */
  frames: number;
  freezes: number;
  /** Of received audio. */
  samples: number;
  concealed: number;
  /** Of what a microphone gave: grows with any sound at all. */
  energy: number;
  jitterMs: number | null;
}

export interface Reading extends CallStats {
  atMs: number;
  tracks: Map<string, TrackTotals>;
  jitterMs: number | null;
  freezes: number;
  /** Growing totals of received audio, in seconds and samples. */
  buffered: { delayS: number; emitted: number };
  estimateBps: number | null;
  path: MediaPath | null;
}

interface Entry {
  id: string;
  type: string;
  timestamp: number;
  kind?: string;
  mid?: string;
  mediaSourceId?: string;
  framesDecoded?: number;
  frameWidth?: number;
  frameHeight?: number;
  framesSent?: number;
  totalAudioEnergy?: number;
  packetsReceived?: number;
  packetsSent?: number;
  packetsLost?: number;
  bytesReceived?: number;
  bytesSent?: number;
  jitter?: number;
  freezeCount?: number;
  totalSamplesReceived?: number;
  concealedSamples?: number;
  silentConcealedSamples?: number;
  jitterBufferDelay?: number;
  jitterBufferEmittedCount?: number;
  nominated?: boolean;
  state?: string;
  currentRoundTripTime?: number;
  availableOutgoingBitrate?: number;
  localCandidateId?: string;
  candidateType?: string;
  protocol?: string;
  relayProtocol?: string;
}

export async function readStats(connection: RTCPeerConnection): Promise<Reading> {
  const entries: Entry[] = [];
  (await connection.getStats()).forEach((entry: Entry) => entries.push(entry));
  return reading(entries, connection.iceConnectionState);
}

/** Exported for tests. */
export function reading(entries: readonly Entry[], iceState: RTCIceConnectionState): Reading {
  const result = emptyReading(iceState);
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  for (const entry of entries) {
    if (entry.timestamp > result.atMs) result.atMs = entry.timestamp;
    if (entry.type === 'inbound-rtp') addInbound(result, entry);
    else if (entry.type === 'outbound-rtp') addOutbound(result, entry, byId.get(entry.mediaSourceId ?? ''));
    else if (entry.type === 'candidate-pair' && entry.nominated && entry.state === 'succeeded') {
      if (entry.currentRoundTripTime !== undefined) result.rttMs = entry.currentRoundTripTime * 1_000;
      result.estimateBps = entry.availableOutgoingBitrate ?? result.estimateBps;
      result.path = pathOf(byId.get(entry.localCandidateId ?? '')) ?? result.path;
    }
  }
  return result;
}

function addInbound(result: Reading, entry: Entry): void {
  const audio = entry.kind === 'audio';
  if (audio) {
    result.totalAudioEnergy += entry.totalAudioEnergy ?? 0;
    result.audioPacketsReceived += entry.packetsReceived ?? 0;
    result.buffered.delayS += entry.jitterBufferDelay ?? 0;
    result.buffered.emitted += entry.jitterBufferEmittedCount ?? 0;
    if (entry.jitter !== undefined) result.jitterMs = Math.max(result.jitterMs ?? 0, entry.jitter * 1_000);
  } else {
    result.framesDecoded += entry.framesDecoded ?? 0;
    result.frameWidth = Math.max(result.frameWidth, entry.frameWidth ?? 0);
    result.frameHeight = Math.max(result.frameHeight, entry.frameHeight ?? 0);
    result.videoPacketsReceived += entry.packetsReceived ?? 0;
    result.freezes += entry.freezeCount ?? 0;
  }
  result.packetsLost += entry.packetsLost ?? 0;
  const track = trackOf(result, entry, audio ? 'audio' : 'video', 'down');
  track.packets += entry.packetsReceived ?? 0;
  track.lost += entry.packetsLost ?? 0;
  track.bytes += entry.bytesReceived ?? 0;
  track.frames += entry.framesDecoded ?? 0;
  track.freezes += entry.freezeCount ?? 0;
  track.samples += entry.totalSamplesReceived ?? 0;
  // A sender that is silent sends nothing (DTX), and the decoder makes silence of it.
  track.concealed += Math.max(0, (entry.concealedSamples ?? 0) - (entry.silentConcealedSamples ?? 0));
  if (entry.jitter !== undefined) track.jitterMs = entry.jitter * 1_000;
}

function addOutbound(result: Reading, entry: Entry, source: Entry | undefined): void {
  const audio = entry.kind === 'audio';
  if (!audio) result.framesSent += entry.framesSent ?? 0;
  const track = trackOf(result, entry, audio ? 'audio' : 'video', 'up');
  track.packets += entry.packetsSent ?? 0;
  track.bytes += entry.bytesSent ?? 0;
  track.frames = Math.max(track.frames, entry.framesSent ?? 0);
  track.energy = Math.max(track.energy, source?.totalAudioEnergy ?? 0);
}

/** Encodings of one m-line are one track. */
function trackOf(result: Reading, entry: Entry, kind: 'audio' | 'video', direction: Direction): TrackTotals {
  const mid = entry.mid ?? '';
  const key = `${direction}/${mid}`;
  const known = result.tracks.get(key);
  if (known) return known;
  const track: TrackTotals = {
    mid, kind, direction, packets: 0, lost: 0, bytes: 0, frames: 0, freezes: 0, samples: 0, concealed: 0, energy: 0, jitterMs: null,
  };
  result.tracks.set(key, track);
  return track;
}

function pathOf(local: Entry | undefined): MediaPath | null {
  if (!local) return null;
  if (local.candidateType !== 'relay') return local.protocol === 'tcp' ? 'tcp' : 'udp';
  if (local.relayProtocol === 'tls') return 'turn_tls';
  return local.relayProtocol === 'tcp' ? 'turn_tcp' : 'turn_udp';
}

export type Measures = Pick<
  CallReport,
  'loss_percent' | 'concealed_percent' | 'jitter_buffer_ms' | 'rtt_ms' | 'jitter_ms' | 'freezes' | 'estimate_bps' | 'path'
>;

/** What happened between two readings. */
export function measure(before: Reading | null, after: Reading): Measures {
  const heard = [...after.tracks.values()].filter((track) => track.kind === 'audio' && track.direction === 'down');
  const sum = (of: (track: TrackTotals) => number) =>
    heard.reduce((total, track) => total + grown(of, track, before?.tracks.get(`down/${track.mid}`)), 0);
  const received = sum((track) => track.packets);
  const lost = sum((track) => track.lost);
  const samples = sum((track) => track.samples);
  const emitted = after.buffered.emitted - (before?.buffered.emitted ?? 0);
  const delayS = after.buffered.delayS - (before?.buffered.delayS ?? 0);
  return {
    loss_percent: received + lost > 0 ? (100 * lost) / (received + lost) : null,
    concealed_percent: samples > 0 ? Math.min(100, (100 * sum((track) => track.concealed)) / samples) : null,
    jitter_buffer_ms: emitted > 0 ? Math.max(0, (1_000 * delayS) / emitted) : null,
    rtt_ms: after.rttMs,
    jitter_ms: after.jitterMs,
    freezes: Math.max(0, after.freezes - (before?.freezes ?? 0)),
    estimate_bps: after.estimateBps === null ? null : Math.round(after.estimateBps),
    path: after.path,
  };
}

/** By how much a total grew; totals of loss may go down when late packets arrive after all. */
export function grown(of: (track: TrackTotals) => number, after: TrackTotals, before: TrackTotals | undefined): number {
  return Math.max(0, of(after) - (before ? of(before) : 0));
}

/**
 * The words of the interface. Thresholds: speech with Opus FEC stays clear up
 * to about 3 % loss and breaks up past 10 %; conversation gets hard past 400 ms
 * of round trip (ITU-T G.114 allows 150 ms one way for full comfort).
 */
export function qualityOf(measures: Pick<Measures, 'loss_percent' | 'rtt_ms' | 'freezes'>): QualityLevel {
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
    atMs: 0,
    tracks: new Map(),
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
    jitterMs: null,
    freezes: 0,
    buffered: { delayS: 0, emitted: 0 },
    estimateBps: null,
    path: null,
  };
}

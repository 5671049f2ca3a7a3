/** Ringing, synthesized: the incoming signal with vibration, and the caller's ring-back tone. */

type Tone = 'incoming' | 'outgoing';

interface Beat {
  frequencies: number[];
  startS: number;
  lengthS: number;
}

const PATTERNS: Record<Tone, { periodMs: number; gain: number; beats: Beat[] }> = {
  incoming: {
    periodMs: 2_400,
    gain: 0.16,
    beats: [
      { frequencies: [659.25], startS: 0, lengthS: 0.22 },
      { frequencies: [783.99], startS: 0.24, lengthS: 0.22 },
      { frequencies: [987.77], startS: 0.48, lengthS: 0.42 },
    ],
  },
  // The ring-back tone of European telephony: 425 Hz, 1 s in 4.
  outgoing: { periodMs: 4_000, gain: 0.05, beats: [{ frequencies: [425], startS: 0, lengthS: 1 }] },
};

export class Ringer {
  private context: AudioContext | null = null;
  private timer: ReturnType<typeof setInterval> | undefined;
  private tone: Tone | null = null;

  start(tone: Tone): void {
    if (this.tone === tone) return;
    this.stop();
    this.tone = tone;
    const { periodMs } = PATTERNS[tone];
    this.play(tone);
    this.timer = setInterval(() => this.play(tone), periodMs);
  }

  stop(): void {
    clearInterval(this.timer);
    if (this.tone === 'incoming' && mayMakeNoise()) navigator.vibrate?.(0);
    this.tone = null;
    void this.context?.close().catch(() => undefined);
    this.context = null;
  }

  private play(tone: Tone): void {
    // Before the first press on the page browsers refuse sound and vibration, and print it.
    if (!mayMakeNoise()) return;
    if (tone === 'incoming') navigator.vibrate?.([400, 200, 400]);
    this.context ??= new AudioContext();
    const { gain, beats } = PATTERNS[tone];
    for (const beat of beats) playBeat(this.context, beat, gain);
  }
}

function playBeat(context: AudioContext, beat: Beat, level: number): void {
  const start = context.currentTime + 0.02 + beat.startS;
  const end = start + beat.lengthS;
  const gain = context.createGain();
  gain.gain.setValueAtTime(0, start);
  gain.gain.linearRampToValueAtTime(level, start + 0.02);
  gain.gain.setValueAtTime(level, end - 0.06);
  gain.gain.linearRampToValueAtTime(0, end);
  gain.connect(context.destination);
  for (const frequency of beat.frequencies) {
    const oscillator = context.createOscillator();
    oscillator.frequency.value = frequency;
    oscillator.connect(gain);
    oscillator.start(start);
    oscillator.stop(end);
  }
}

function mayMakeNoise(): boolean {
  return navigator.userActivation?.hasBeenActive ?? true;
}

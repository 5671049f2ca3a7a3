/**
 * Sounds made by the browser itself: nothing to load, nothing to license. The
 * audio context is created only after the person touched the page, because a
 * browser refuses it earlier.
 */

type Note = { frequency: number; atS: number; lengthS: number; gain: number };

let context: AudioContext | undefined;

function audible(): AudioContext | undefined {
  if (!context) {
    if (navigator.userActivation && !navigator.userActivation.hasBeenActive) return undefined;
    if (typeof AudioContext === 'undefined') return undefined;
    context = new AudioContext();
  }
  if (context.state === 'suspended') void context.resume().catch(() => undefined);
  return context;
}

function play(notes: readonly Note[]): void {
  const audio = audible();
  if (!audio) return;
  for (const { frequency, atS, lengthS, gain } of notes) {
    const start = audio.currentTime + atS;
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.type = 'sine';
    tone.frequency.value = frequency;
    // A soft edge on both sides: a cut wave clicks.
    volume.gain.setValueAtTime(0, start);
    volume.gain.linearRampToValueAtTime(gain, start + 0.02);
    volume.gain.setValueAtTime(gain, start + lengthS * 0.6);
    volume.gain.linearRampToValueAtTime(0, start + lengthS);
    tone.connect(volume).connect(audio.destination);
    tone.start(start);
    tone.stop(start + lengthS);
  }
}

/** Something new waits in a list. */
export function chime(): void {
  play([
    { frequency: 660, atS: 0, lengthS: 0.16, gain: 0.12 },
    { frequency: 880, atS: 0.14, lengthS: 0.26, gain: 0.12 },
  ]);
}

const RINGING: readonly Note[] = [
  { frequency: 587, atS: 0, lengthS: 0.3, gain: 0.14 },
  { frequency: 784, atS: 0.3, lengthS: 0.3, gain: 0.14 },
  { frequency: 587, atS: 0.75, lengthS: 0.3, gain: 0.14 },
  { frequency: 784, atS: 1.05, lengthS: 0.3, gain: 0.14 },
];

// The tone a Russian caller hears while the other side rings: 425 Hz, 1 s in 4.
const RINGBACK: readonly Note[] = [{ frequency: 425, atS: 0, lengthS: 1, gain: 0.06 }];

function repeat(notes: readonly Note[], everyMs: number): () => void {
  play(notes);
  const timer = window.setInterval(() => play(notes), everyMs);
  return () => window.clearInterval(timer);
}

/** Rings until the returned function is called. */
export function ring(): () => void {
  return repeat(RINGING, 2600);
}

/** What the caller hears until the returned function is called. */
export function ringback(): () => void {
  return repeat(RINGBACK, 4000);
}

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

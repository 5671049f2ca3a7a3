//! How much a microphone sounds like speech, after Volfin and Cohen, "Dominant Speaker
//! Identification for Multipoint Videoconferencing" (2012): activity of the moment, of
//! a syllable or two, and of a sentence. Where the paper counts frequency bands with a
//! voice in them, which the relay cannot see, steps of loudness above the background
//! have to do.

/// Frames kept: a second.
pub(super) const FRAMES: usize = 50;
/// Steps of loudness in a frame, and how many dB one is.
const STEPS: u8 = 13;
const STEP_DB: f32 = 3.0;
/// Frames in a medium interval, and medium intervals in a long one.
const MEDIUM: usize = 5;
const LONG: usize = FRAMES / MEDIUM;
/// Steps from which a frame has a voice in it, and active frames from which a medium
/// interval does.
const ACTIVE_STEPS: u8 = 4;
const ACTIVE_FRAMES: usize = 3;
/// Active frames in the last 300 ms that make it speech.
const TALK_WINDOW: usize = 15;
const TALK_FRAMES: usize = 8;
/// A pause without one active frame of so many ends it.
const LINGER_FRAMES: usize = 35;
/// The smallest score: logarithms of ratios are taken.
const MIN_SCORE: f32 = 1e-10;

/// The last second of a microphone.
#[derive(Clone, Debug)]
pub(super) struct Activity {
    /// Steps by frame, the newest before `next`.
    frames: [u8; FRAMES],
    next: usize,
}

impl Default for Activity {
    fn default() -> Self {
        Self { frames: [0; FRAMES], next: 0 }
    }
}

/// Scores of speech on three time scales; each is positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    pub immediate: f32,
    pub medium: f32,
    pub long: f32,
}

impl Activity {
    /// Takes a frame by its loudness above the background, dB.
    pub(super) fn push(&mut self, above_floor: f32) {
        if let Some(frame) = self.frames.get_mut(self.next) {
            *frame = (above_floor / STEP_DB).clamp(0.0, f32::from(STEPS)) as u8;
        }
        self.next = (self.next + 1) % FRAMES;
    }

    /// The frames, newest first.
    fn recent(&self) -> impl Iterator<Item = u8> {
        let (newer, older) = self.frames.split_at(self.next);
        newer.iter().rev().chain(older.iter().rev()).copied()
    }

    fn active(&self, window: usize) -> usize {
        self.recent().take(window).filter(|steps| *steps >= ACTIVE_STEPS).count()
    }

    pub(super) fn stirs(&self) -> bool {
        self.active(MEDIUM) >= ACTIVE_FRAMES
    }

    pub(super) fn talks(&self) -> bool {
        self.active(TALK_WINDOW) >= TALK_FRAMES
    }

    pub(super) fn lingers(&self) -> bool {
        self.active(LINGER_FRAMES) > 0
    }

    pub(super) fn scores(&self) -> Scores {
        let mut mediums = [0; LONG];
        for (index, steps) in self.recent().enumerate() {
            if let Some(count) = mediums.get_mut(index / MEDIUM) {
                *count += usize::from(steps >= ACTIVE_STEPS);
            }
        }
        let long = mediums.iter().filter(|count| **count >= ACTIVE_FRAMES).count();
        let newest = self.recent().next().unwrap_or(0);
        Scores {
            immediate: score(usize::from(newest), usize::from(STEPS), 0.78),
            medium: score(mediums.first().copied().unwrap_or(0), MEDIUM, 24.0),
            long: score(long, LONG, 47.0),
        }
    }
}

/// Log-likelihood ratio of `active` parts of `all` under speech and under silence
/// (section III.B of the paper), with a fair chance for each part and the paper's
/// exponential prior.
fn score(active: usize, all: usize, lambda: f32) -> f32 {
    let chosen: f32 =
        (0..active).map(|index| ((all - index) as f32 / (index + 1) as f32).ln()).sum();
    let fair = all as f32 * 0.5_f32.ln();
    (chosen + fair - lambda.ln() + lambda * active as f32).max(MIN_SCORE)
}

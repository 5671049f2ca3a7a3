//! Who speaks.
//!
//! Clients send the loudness of each audio packet outside of what is encrypted for the
//! decoder (RFC 6464), so the relay need not decode anything. [`Voice`] listens to one
//! microphone. [`Floor`] knows the voices of a room: who leads the conversation, who
//! speaks, and in which order microphones are given the audio slots when there are
//! fewer slots than microphones.

mod activity;
mod floor;
mod seats;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

pub use crate::voices::activity::Scores;
use crate::voices::activity::{Activity, FRAMES};
pub use crate::voices::floor::{Floor, Report, Speaking};

/// What one packet of audio stands for. Packets of 40 or 60 ms count as silence in
/// between, which only makes whoever sends them seem to pause.
const FRAME: Duration = Duration::from_millis(20);
/// Packets may be late by this much before their absence counts as silence.
const GRACE: Duration = Duration::from_millis(60);
/// Levels say how far below the loudest sound something is, in dB.
const SILENCE: u8 = 127;
/// A background louder than this is taken for speech: 25 dB below a voice.
const LOUDEST_FLOOR: f32 = 80.0;
/// Below this, nobody hears anything.
const QUIETEST_FLOOR: f32 = 50.0;
/// How fast the background is believed to have become louder, dB in a frame: one that
/// starts to hum is background a minute later.
const FLOOR_RISE: f32 = 0.01;
/// Share of the way to a quieter background in one frame.
const FLOOR_FALL: f32 = 0.2;
/// Loudness over which the mean goes on, in frames: about a second.
const MEAN_FRAMES: f32 = 50.0;

/// One microphone.
#[derive(Clone, Debug)]
pub struct Voice {
    activity: Activity,
    /// When the newest frame was.
    heard: Option<Instant>,
    /// Loudness of the background, 0 (silence) to 127.
    floor: f32,
    /// Mean loudness of late.
    mean: f32,
    speaks: bool,
}

impl Default for Voice {
    fn default() -> Self {
        Self {
            activity: Activity::default(),
            heard: None,
            floor: QUIETEST_FLOOR,
            mean: 0.0,
            speaks: false,
        }
    }
}

impl Voice {
    /// Takes the level of a packet, dB below the loudest sound (RFC 6464 section 3).
    pub fn note(&mut self, now: Instant, level: u8) {
        self.pass(now);
        let loudness = f32::from(SILENCE - level.min(SILENCE));
        let towards = loudness.clamp(QUIETEST_FLOOR, LOUDEST_FLOOR) - self.floor;
        self.floor += if towards < 0.0 { towards * FLOOR_FALL } else { towards.min(FLOOR_RISE) };
        self.mean += (loudness - self.mean) / MEAN_FRAMES;
        self.activity.push(loudness - self.floor);
        self.heard = Some(now);
    }

    /// The microphone was muted: what it said a moment ago counts no more.
    pub fn mute(&mut self) {
        *self = Self { floor: self.floor, ..Self::default() };
    }

    /// Lets time pass without a packet: encoders stop sending in silence.
    pub fn pass(&mut self, now: Instant) {
        let Some(heard) = self.heard else { return };
        let silent = now.saturating_duration_since(heard).saturating_sub(GRACE);
        let frames = u32::try_from(silent.as_millis() / FRAME.as_millis()).unwrap_or(u32::MAX);
        for _ in 0..frames.min(FRAMES as u32) {
            self.activity.push(0.0);
            self.mean -= self.mean / MEAN_FRAMES;
        }
        self.heard = Some(heard + FRAME * frames);
    }

    /// Whether it began to speak, or makes some other sound: quick, and often wrong.
    pub fn stirs(&self) -> bool {
        self.activity.stirs()
    }

    /// Whether it speaks, as of the last [`Self::update`].
    pub const fn speaks(&self) -> bool {
        self.speaks
    }

    /// Decides anew whether it speaks: yes after some syllables, no after a pause that
    /// is longer than between words.
    pub fn update(&mut self, now: Instant) {
        self.pass(now);
        self.speaks = if self.speaks { self.activity.lingers() } else { self.activity.talks() };
    }

    /// Mean loudness of late, 0 (silence) to 127.
    pub fn loudness(&self) -> u8 {
        self.mean.clamp(0.0, f32::from(SILENCE)) as u8
    }

    /// How much it sounds like speech, on three time scales.
    pub fn scores(&self) -> Scores {
        self.activity.scores()
    }
}

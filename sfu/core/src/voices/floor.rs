//! The voices of a room.

use std::time::{Duration, Instant};

use crate::voices::seats::Seats;
use crate::voices::{Scores, Voice};

/// By how much another voice must outdo the one that leads, as logarithms of the ratio
/// of scores: of the moment, of syllables, of sentences (section III.C of the paper).
const LEADS_BY: Scores = Scores { immediate: 3.0, medium: 2.0, long: 0.0 };
/// A microphone that was quiet for this long gives its audio slot to one that makes a
/// sound: a syllable that is not heard is lost.
const SLOT_HOLD: Duration = Duration::from_millis(600);
/// A face whose voice was quiet for this long gives its place to one that speaks: a
/// picture that changes disturbs, so a word in between is no reason.
const STAGE_HOLD: Duration = Duration::from_secs(4);
/// Shortest time between two reports, and between two that differ in loudness only.
const REPORT_INTERVAL: Duration = Duration::from_millis(350);
const LEVEL_INTERVAL: Duration = Duration::from_millis(1_000);
/// Loudness is told in steps of so many dB: it is for a meter, and changes always.
const LEVEL_STEP: u8 = 12;
/// Most voices in a report.
const MAX_REPORTED: usize = 8;

/// Somebody who speaks, and how loudly, 0 (silence) to 127.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaking<K> {
    pub voice: K,
    pub level: u8,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report<K> {
    /// Who speaks now, if it is time to say so: the one who leads first, then by
    /// loudness.
    pub speakers: Option<Vec<Speaking<K>>>,
    /// [`Floor::order`] or [`Floor::stage`] is another one.
    pub reordered: bool,
}

/// The conversation of one room. `K` names a microphone.
#[derive(Clone, Debug)]
pub struct Floor<K> {
    slots: Seats<K>,
    stage: Seats<K>,
    leader: Option<K>,
    reported: Vec<Speaking<K>>,
    reported_at: Option<Instant>,
}

impl<K> Default for Floor<K> {
    fn default() -> Self {
        Self {
            slots: Seats { seats: Vec::new(), hold: SLOT_HOLD },
            stage: Seats { seats: Vec::new(), hold: STAGE_HOLD },
            leader: None,
            reported: Vec::new(),
            reported_at: None,
        }
    }
}

impl<K: Copy + Eq> Floor<K> {
    /// Looks at the voices of the room anew, each of which was updated just now.
    pub fn update(&mut self, now: Instant, voices: &[(K, &Voice)]) -> Report<K> {
        let slots = self.slots.update(now, voices, |voice| voice.speaks() || voice.stirs());
        let stage = self.stage.update(now, voices, Voice::speaks);
        self.lead(voices);
        Report { speakers: self.report(now, voices), reordered: slots || stage }
    }

    /// Microphones in the order in which they get audio slots.
    pub fn order(&self) -> impl Iterator<Item = K> {
        self.slots.order()
    }

    /// Who is to be seen first. It changes less often than who is to be heard.
    pub fn stage(&self) -> impl Iterator<Item = K> {
        self.stage.order()
    }

    /// Who leads the conversation: the last one who did, while nobody speaks.
    pub const fn leader(&self) -> Option<K> {
        self.leader
    }

    /// Whether somebody spoke in the last report: it has to be taken back in time.
    pub const fn is_lively(&self) -> bool {
        !self.reported.is_empty()
    }

    fn lead(&mut self, voices: &[(K, &Voice)]) {
        let leader = self.leader.and_then(|leader| voices.iter().find(|(key, _)| *key == leader));
        let mut speaking = voices.iter().filter(|(_, voice)| voice.speaks());
        let Some((leader, voice)) = leader else {
            self.leader = speaking
                .max_by(|(_, a), (_, b)| a.scores().long.total_cmp(&b.scores().long))
                .map(|(key, _)| *key);
            return;
        };
        let own = voice.scores();
        let next = speaking
            .by_ref()
            .filter(|(key, _)| key != leader)
            .filter_map(|(key, voice)| Some((*key, outdoes(voice.scores(), own)?)))
            .max_by(|(_, a), (_, b)| a.total_cmp(b));
        if let Some((key, _)) = next {
            self.leader = Some(key);
        }
    }

    fn report(&mut self, now: Instant, voices: &[(K, &Voice)]) -> Option<Vec<Speaking<K>>> {
        let mut speakers: Vec<_> = voices
            .iter()
            .filter(|(_, voice)| voice.speaks())
            .map(|(key, voice)| {
                let level = voice.loudness() / LEVEL_STEP * LEVEL_STEP;
                Speaking { voice: *key, level }
            })
            .collect();
        speakers.sort_by_key(|it| (Some(it.voice) != self.leader, std::cmp::Reverse(it.level)));
        speakers.truncate(MAX_REPORTED);
        let same_people = speakers.len() == self.reported.len()
            && speakers.iter().zip(&self.reported).all(|(now, before)| now.voice == before.voice);
        let interval = if same_people { LEVEL_INTERVAL } else { REPORT_INTERVAL };
        let elapsed = self.reported_at.map(|at| now.saturating_duration_since(at));
        if speakers == self.reported || elapsed.is_some_and(|elapsed| elapsed < interval) {
            return None;
        }
        self.reported_at = Some(now);
        self.reported.clone_from(&speakers);
        Some(speakers)
    }
}

/// By how much syllables outdo those of the leader, if a voice does on all scales.
fn outdoes(scores: Scores, leader: Scores) -> Option<f32> {
    let by = |own: f32, other: f32| (own / other).ln();
    let medium = by(scores.medium, leader.medium);
    let all = by(scores.immediate, leader.immediate) > LEADS_BY.immediate
        && medium > LEADS_BY.medium
        && by(scores.long, leader.long) > LEADS_BY.long;
    all.then_some(medium)
}

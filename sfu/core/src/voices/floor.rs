//! The voices of a room.

use std::time::{Duration, Instant};

use crate::voices::{Scores, Voice};

/// By how much another voice must outdo the one that leads, as logarithms of the ratio
/// of scores: of the moment, of syllables, of sentences (section III.C of the paper).
const LEADS_BY: Scores = Scores { immediate: 3.0, medium: 2.0, long: 0.0 };
/// A voice that was quiet for this long gives its place to one that speaks.
const SEAT_HOLD: Duration = Duration::from_millis(600);
/// Of two that speak at once the louder one goes first, by this much, dB.
const LOUDER_BY: u8 = 6;
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
    /// The order in which microphones get audio slots is another one.
    pub reordered: bool,
}

/// The conversation of one room. `K` names a microphone.
#[derive(Clone, Debug)]
pub struct Floor<K> {
    seats: Vec<Seat<K>>,
    leader: Option<K>,
    reported: Vec<Speaking<K>>,
    reported_at: Option<Instant>,
}

/// A microphone's place in the order.
#[derive(Clone, Copy, Debug)]
struct Seat<K> {
    voice: K,
    spoke_at: Option<Instant>,
}

impl<K> Default for Floor<K> {
    fn default() -> Self {
        Self { seats: Vec::new(), leader: None, reported: Vec::new(), reported_at: None }
    }
}

impl<K: Copy + Eq> Floor<K> {
    /// Looks at the voices of the room anew.
    pub fn update<'a>(
        &mut self,
        now: Instant,
        voices: impl Iterator<Item = (K, &'a mut Voice)>,
    ) -> Report<K> {
        let mut voices: Vec<_> = voices.collect();
        voices.iter_mut().for_each(|(_, voice)| voice.update(now));
        let voices: Vec<(K, &Voice)> = voices.iter().map(|(key, voice)| (*key, &**voice)).collect();
        let reordered = self.seat(now, &voices);
        self.lead(&voices);
        Report { speakers: self.report(now, &voices), reordered }
    }

    /// Microphones in the order in which they get audio slots.
    pub fn order(&self) -> impl Iterator<Item = K> {
        self.seats.iter().map(|seat| seat.voice)
    }

    /// Who leads the conversation: the last one who did, while nobody speaks.
    pub const fn leader(&self) -> Option<K> {
        self.leader
    }

    /// Whether somebody spoke in the last report: it has to be taken back in time.
    pub const fn is_lively(&self) -> bool {
        !self.reported.is_empty()
    }

    /// Brings the order up to date. Whether it changed.
    fn seat(&mut self, now: Instant, voices: &[(K, &Voice)]) -> bool {
        let find = |key: K| voices.iter().find(|(known, _)| *known == key).map(|(_, voice)| *voice);
        let before = self.seats.len();
        self.seats.retain(|seat| find(seat.voice).is_some());
        let mut changed = self.seats.len() != before;
        for (key, voice) in voices {
            let stirs = voice.speaks() || voice.stirs();
            match self.seats.iter_mut().find(|seat| seat.voice == *key) {
                Some(seat) if stirs => seat.spoke_at = Some(now),
                Some(_) => {}
                None => {
                    self.seats.push(Seat { voice: *key, spoke_at: None });
                    changed = true;
                }
            }
        }
        for from in 1..self.seats.len() {
            let mut place = from;
            while place > 0 && overtakes(now, self.seats.get(place - 1..=place), &find) {
                self.seats.swap(place - 1, place);
                place -= 1;
                changed = true;
            }
        }
        changed
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

/// Whether the second of two seats has the better claim.
fn overtakes<'a, K: Copy>(
    now: Instant,
    pair: Option<&[Seat<K>]>,
    find: &impl Fn(K) -> Option<&'a Voice>,
) -> bool {
    let Some([ahead, behind]) = pair else { return false };
    let (Some(first), Some(second)) = (find(ahead.voice), find(behind.voice)) else { return false };
    if !(second.speaks() || second.stirs()) {
        return false;
    }
    let quiet_since = ahead.spoke_at.map(|at| now.saturating_duration_since(at));
    if quiet_since.is_none_or(|quiet| quiet >= SEAT_HOLD) {
        return true;
    }
    second.speaks() && second.loudness() >= first.loudness().saturating_add(LOUDER_BY)
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

//! Voices in an order that changes for good reasons only.

use std::time::{Duration, Instant};

use crate::voices::Voice;

/// Of two that speak at once the louder one goes first, by this much, dB.
const LOUDER_BY: u8 = 6;

/// An order of voices: who speaks moves ahead of those who have been quiet for a while,
/// so the first ones of it are those who spoke last, and nobody loses a place by a pause.
#[derive(Clone, Debug)]
pub(super) struct Seats<K> {
    pub(super) seats: Vec<Seat<K>>,
    /// How long somebody must have been quiet to be overtaken.
    pub(super) hold: Duration,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Seat<K> {
    voice: K,
    spoke_at: Option<Instant>,
}

impl<K: Copy + Eq> Seats<K> {
    pub(super) fn order(&self) -> impl Iterator<Item = K> {
        self.seats.iter().map(|seat| seat.voice)
    }

    /// Brings the order up to date. Whether it changed.
    pub(super) fn update(
        &mut self,
        now: Instant,
        voices: &[(K, &Voice)],
        is_heard: impl Fn(&Voice) -> bool,
    ) -> bool {
        let find = |key: K| voices.iter().find(|(known, _)| *known == key).map(|(_, voice)| *voice);
        let before = self.seats.len();
        self.seats.retain(|seat| find(seat.voice).is_some());
        let mut changed = self.seats.len() != before;
        for (key, voice) in voices {
            match self.seats.iter_mut().find(|seat| seat.voice == *key) {
                Some(seat) if is_heard(voice) => seat.spoke_at = Some(now),
                Some(_) => {}
                None => {
                    self.seats.push(Seat { voice: *key, spoke_at: None });
                    changed = true;
                }
            }
        }
        for from in 1..self.seats.len() {
            let mut place = from;
            while place > 0 && self.overtakes(now, place, &find, &is_heard) {
                self.seats.swap(place - 1, place);
                place -= 1;
                changed = true;
            }
        }
        changed
    }

    /// Whether the voice at a place has a better claim than the one before it.
    fn overtakes<'a>(
        &self,
        now: Instant,
        place: usize,
        find: &impl Fn(K) -> Option<&'a Voice>,
        is_heard: &impl Fn(&Voice) -> bool,
    ) -> bool {
        let Some([ahead, behind]) = self.seats.get(place - 1..=place) else { return false };
        let Some((first, second)) = find(ahead.voice).zip(find(behind.voice)) else { return false };
        match (is_heard(first), is_heard(second)) {
            (_, true) => {
                let quiet = ahead.spoke_at.map(|at| now.saturating_duration_since(at));
                let louder = second.loudness() >= first.loudness().saturating_add(LOUDER_BY);
                quiet.is_none_or(|quiet| quiet >= self.hold)
                    || first.speaks() && second.speaks() && louder
            }
            // So that the next one to speak takes the place of who was quiet longest.
            (false, false) => behind.spoke_at > ahead.spoke_at,
            (true, false) => false,
        }
    }
}

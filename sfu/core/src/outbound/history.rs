//! Packets of one slot that were sent, to be repeated when the subscriber asks.
//!
//! Payloads are those the publisher's packets came in: what is kept here costs
//! memory only when nobody else keeps it.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::outbound::entry::Entry;

/// A packet is kept at least this long. Where a tenth is lost, so is a tenth of the
/// repetitions: with less, one packet in a thousand costs a keyframe.
const MIN_AGE: Duration = Duration::from_millis(500);
/// Over a satellite a repetition takes most of a second, and a keyframe even longer.
const MAX_AGE: Duration = Duration::from_secs(2);
/// Assumed while no round trip was measured.
const FIRST_AGE: Duration = Duration::from_secs(1);
/// Round trips a packet is kept: to be missed, asked for, lost again and asked for,
/// twice.
const ROUND_TRIPS: u32 = 5;
/// Where nothing was asked for in a while less is kept: most links never lose a packet,
/// and what is kept is most of what a participant takes. Enough for what is lost next to
/// be asked for three times, since browsers assume 100 ms until they know better.
const CALM_AGE: Duration = Duration::from_millis(350);
const CALM_ROUND_TRIPS: u32 = 3;
/// After this time without a request a link is calm.
const CALM_AFTER_MS: u32 = 10_000;
/// The room for packets that is kept in any case.
const MIN_ROOM: usize = 16;

#[derive(Debug)]
pub(crate) struct History {
    /// By sequence number, oldest first.
    kept: VecDeque<Kept>,
    bytes: usize,
    max_bytes: usize,
    /// Times inside are milliseconds since then, modulo 2^32.
    origin: Instant,
    /// When a packet was asked for last.
    asked_ms: Option<u32>,
}

#[derive(Debug)]
struct Kept {
    entry: Entry,
    sent_ms: u32,
    /// When it was repeated last.
    repeated_ms: Option<NonZeroU32>,
}

/// How long packets are kept when a round trip takes `rtt`; `calm` as long as none is
/// asked for.
fn age_for(rtt: Option<Duration>, calm: bool) -> Duration {
    let (round_trips, least) =
        if calm { (CALM_ROUND_TRIPS, CALM_AGE) } else { (ROUND_TRIPS, MIN_AGE) };
    rtt.map_or(FIRST_AGE, |rtt| (rtt * round_trips).clamp(least, MAX_AGE))
}

impl History {
    pub(crate) const fn new(now: Instant, max_bytes: usize) -> Self {
        Self { kept: VecDeque::new(), bytes: 0, max_bytes, origin: now, asked_ms: None }
    }

    /// Keeps a packet that is sent now, and forgets those that are too old to be asked for
    /// when a round trip takes `rtt`.
    pub(crate) fn push(&mut self, now: Instant, entry: Entry, rtt: Option<Duration>) {
        let now_ms = self.millis(now);
        let calm = self.asked_ms.is_none_or(|at| now_ms.wrapping_sub(at) > CALM_AFTER_MS);
        self.forget(now_ms, age_for(rtt, calm));
        self.shrink();
        self.bytes += entry.bytes();
        let kept = Kept { entry, sent_ms: now_ms, repeated_ms: None };
        match self.kept.back() {
            // A gap of the publisher's was filled late.
            Some(newest) if newest.entry.seq > kept.entry.seq => {
                let at = self.kept.partition_point(|known| known.entry.seq < kept.entry.seq);
                self.kept.insert(at, kept);
            }
            _ => self.kept.push_back(kept),
        }
        while self.bytes > self.max_bytes {
            self.drop_oldest();
        }
    }

    fn forget(&mut self, now_ms: u32, age: Duration) {
        let age_ms = age.as_millis() as u32;
        let is_old = |oldest: &Kept| now_ms.wrapping_sub(oldest.sent_ms) > age_ms;
        while self.kept.front().is_some_and(is_old) {
            self.drop_oldest();
        }
    }

    /// Gives room back that is not needed any more: a call begins with much more than a
    /// calm link keeps. With so much left that growing and shrinking do not take turns.
    fn shrink(&mut self) {
        let used = self.kept.len().max(MIN_ROOM);
        if self.kept.capacity() > used * 3 {
            self.kept.shrink_to(used * 3 / 2);
        }
    }

    fn millis(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.origin).as_millis() as u32
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.kept.pop_front() {
            self.bytes -= oldest.entry.bytes();
        } else {
            self.bytes = 0;
        }
    }

    /// The packet that was asked for by its 16 bits, to be sent again now; `None` when
    /// it is not kept any more or was repeated within `pause`.
    pub(crate) fn repeat(&mut self, now: Instant, seq: u16, pause: Duration) -> Option<Entry> {
        let now_ms = self.millis(now);
        self.asked_ms = Some(now_ms);
        let newest = self.kept.back()?.entry.seq;
        let age = (newest as u16).wrapping_sub(seq);
        let seq = newest.checked_sub(u64::from(age))?;
        let index = self.kept.binary_search_by_key(&seq, |kept| kept.entry.seq).ok()?;
        let kept = self.kept.get_mut(index)?;
        let since = |at: NonZeroU32| u128::from(now_ms.wrapping_sub(at.get()));
        if kept.repeated_ms.is_some_and(|at| since(at) < pause.as_millis()) {
            return None;
        }
        kept.repeated_ms = NonZeroU32::new(now_ms.max(1));
        Some(kept.entry.clone())
    }

    /// The newest packet kept, for repetition as a probe.
    pub(crate) fn newest(&self) -> Option<&Entry> {
        self.kept.back().map(|kept| &kept.entry)
    }

    pub(crate) fn clear(&mut self) {
        self.kept.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
mod tests {
    use super::*;
    use crate::codec::Patch;
    use crate::outbound::entry::Kind;
    use crate::packet::Packet;

    const PAUSE: Duration = Duration::from_millis(50);

    fn entry(seq: u64) -> Entry {
        Entry {
            packet: Packet::new(&[0; 100], 0).expect("small"),
            patch: Patch::default(),
            seq,
            timestamp: 0,
            payload_type: 96,
            slot: 0,
            marker: false,
            kind: Kind::Video,
        }
    }

    #[test]
    fn packets_are_found_over_the_wrap_and_not_repeated_too_soon() {
        let start = Instant::now();
        let mut history = History::new(start, 100_000);
        for seq in [65_533, 65_535, 65_536, 65_534, 65_538] {
            history.push(start, entry(seq), None);
        }
        let start = start + Duration::from_millis(10);
        let mut repeat = |ms, seq| {
            let now = start + Duration::from_millis(ms);
            history.repeat(now, seq, PAUSE).map(|entry| entry.seq)
        };
        assert_eq!(repeat(0, 65_534), Some(65_534));
        assert_eq!(repeat(0, 0), Some(65_536));
        assert_eq!(repeat(0, 1), None, "never sent");
        assert_eq!(repeat(0, 3), None, "not sent yet");
        assert_eq!(repeat(49, 0), None);
        assert_eq!(repeat(50, 0), Some(65_536));
    }

    #[test]
    fn age_and_bytes_are_bounded() {
        let start = Instant::now();
        let mut history = History::new(start, 1_000);
        for seq in 0..50 {
            history.push(start, entry(seq), None);
        }
        assert_eq!(history.kept.len(), 10);
        assert!(history.repeat(start, 39, PAUSE).is_none());
        let rtt = Some(Duration::from_millis(200));
        history.push(start + age_for(rtt, false) + PAUSE, entry(50), rtt);
        assert_eq!(history.kept.len(), 1);
        assert_eq!(age_for(None, true), FIRST_AGE);
        assert_eq!(age_for(Some(Duration::from_millis(5)), false), MIN_AGE);
    }

    #[test]
    fn more_is_kept_once_something_was_asked_for() {
        let start = Instant::now();
        let rtt = Some(Duration::from_millis(20));
        let mut history = History::new(start, 1_000_000);
        let mut run = |seconds: std::ops::Range<u64>, asks: bool| {
            for seq in seconds.start * 100..seconds.end * 100 {
                let now = start + Duration::from_millis(seq * 10);
                history.push(now, entry(seq), rtt);
                if asks {
                    history.repeat(now, seq as u16, PAUSE);
                }
            }
            history.kept.len()
        };
        assert_eq!(run(0..2, false), 36);
        assert_eq!(run(2..4, true), 51);
        assert_eq!(run(4..13, false), 51, "for a while");
        assert_eq!(run(13..20, false), 36);
    }

    #[test]
    fn room_for_packets_is_given_back() {
        let start = Instant::now();
        let rtt = Some(Duration::from_millis(20));
        let mut history = History::new(start, 1_000_000);
        for seq in 0..1_000 {
            history.push(start, entry(seq), None);
        }
        let mut rooms = Vec::new();
        for seq in 1_000..3_000 {
            history.push(start + Duration::from_millis(seq * 10), entry(seq), rtt);
            rooms.push(history.kept.capacity());
        }
        assert!(rooms.last() <= Some(&(3 * history.kept.len())), "{rooms:?}");
        rooms.dedup();
        assert!(rooms.len() < 4, "it does not grow and shrink in turns: {rooms:?}");
    }
}

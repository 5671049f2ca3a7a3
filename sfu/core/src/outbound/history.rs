//! Packets of one slot that were sent, to be repeated when the subscriber asks.
//!
//! Payloads are those the publisher's packets came in: what is kept here costs
//! memory only when nobody else keeps it.

use std::collections::VecDeque;
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

#[derive(Debug)]
pub(crate) struct History {
    /// By sequence number, oldest first.
    kept: VecDeque<Kept>,
    bytes: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Kept {
    entry: Entry,
    sent: Instant,
    /// When it was repeated last.
    repeated: Option<Instant>,
}

/// How long packets are kept when a round trip takes `rtt`.
pub(crate) fn age_for(rtt: Option<Duration>) -> Duration {
    rtt.map_or(FIRST_AGE, |rtt| (rtt * ROUND_TRIPS).clamp(MIN_AGE, MAX_AGE))
}

impl History {
    pub(crate) const fn new(max_bytes: usize) -> Self {
        Self { kept: VecDeque::new(), bytes: 0, max_bytes }
    }

    /// Keeps a packet that is sent now, and forgets those older than `age`.
    pub(crate) fn push(&mut self, now: Instant, entry: Entry, age: Duration) {
        self.forget(now, age);
        self.bytes += entry.bytes();
        let kept = Kept { entry, sent: now, repeated: None };
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

    fn forget(&mut self, now: Instant, age: Duration) {
        while self.kept.front().is_some_and(|oldest| now.duration_since(oldest.sent) > age) {
            self.drop_oldest();
        }
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
        let newest = self.kept.back()?.entry.seq;
        let age = (newest as u16).wrapping_sub(seq);
        let seq = newest.checked_sub(u64::from(age))?;
        let index = self.kept.binary_search_by_key(&seq, |kept| kept.entry.seq).ok()?;
        let kept = self.kept.get_mut(index)?;
        if kept.repeated.is_some_and(|at| now.saturating_duration_since(at) < pause) {
            return None;
        }
        kept.repeated = Some(now);
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
        let mut history = History::new(100_000);
        for seq in [65_533, 65_535, 65_536, 65_534, 65_538] {
            history.push(start, entry(seq), MAX_AGE);
        }
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
        let mut history = History::new(1_000);
        for seq in 0..50 {
            history.push(start, entry(seq), MAX_AGE);
        }
        assert_eq!(history.kept.len(), 10);
        assert!(history.repeat(start, 39, PAUSE).is_none());
        let later = start + age_for(Some(Duration::from_millis(200))) + PAUSE;
        history.push(later, entry(50), age_for(Some(Duration::from_millis(200))));
        assert_eq!(history.kept.len(), 1);
        assert_eq!(age_for(None), FIRST_AGE);
        assert_eq!(age_for(Some(Duration::from_millis(5))), MIN_AGE);
    }
}

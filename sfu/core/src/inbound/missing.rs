//! Packets of one received stream that are missing, and when to ask for them again
//! (RFC 4585 section 6.2.1).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets overtake each other on the way; most that seem missing come by themselves
/// within this time.
const REORDER_PATIENCE: Duration = Duration::from_millis(10);
/// How often a packet is asked for. On a link that loses every fifth packet each way,
/// one in twelve thousand is still missing then.
const MAX_ATTEMPTS: u8 = 10;
/// What comes later than this is too late for a conversation.
const MAX_AGE: Duration = Duration::from_secs(1);
/// Shortest time between two requests for a packet: on a fast link an answer is
/// paced by its sender.
const MIN_RETRY: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Missing {
    items: VecDeque<Item>,
    limit: usize,
    /// No item is due before this time.
    next: Option<Instant>,
}

#[derive(Debug)]
struct Item {
    seq: u64,
    since: Instant,
    due: Instant,
    attempts: u8,
}

impl Missing {
    /// At most `limit` packets are asked for at a time.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { items: VecDeque::new(), limit, next: None }
    }

    /// The `count` packets before `newest` did not come. `false` when that is more
    /// than is worth asking for: then only a keyframe helps, and nothing is asked.
    pub(crate) fn note(&mut self, now: Instant, newest: u64, count: u64) -> bool {
        if count == 0 {
            return true;
        }
        if self.items.len() as u64 + count > self.limit as u64 {
            self.clear();
            return false;
        }
        let due = now + REORDER_PATIENCE;
        for seq in newest - count..newest {
            self.items.push_back(Item { seq, since: now, due, attempts: 0 });
        }
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
        true
    }

    /// The packet came.
    pub(crate) fn settle(&mut self, seq: u64) {
        // Nearly always empty, and sorted by number.
        if let Ok(index) = self.items.binary_search_by_key(&seq, |item| item.seq) {
            self.items.remove(index);
            if self.items.is_empty() {
                self.next = None;
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.next = None;
    }

    /// When [`Self::take_due`] has something to say.
    pub(crate) const fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Gives those to ask for now to `ask`, in order. They are asked for again after
    /// `rtt` unless they come. Packets given up are counted in the result.
    pub(crate) fn take_due(
        &mut self,
        now: Instant,
        rtt: Duration,
        mut ask: impl FnMut(u64),
    ) -> usize {
        if self.next.is_none_or(|next| next > now) {
            return 0;
        }
        let before = self.items.len();
        self.items.retain(|item| {
            item.attempts < MAX_ATTEMPTS && now.saturating_duration_since(item.since) < MAX_AGE
        });
        let given_up = before - self.items.len();
        // A little more than a round trip: the answer is on its way until then.
        let retry = (rtt + rtt / 4).max(MIN_RETRY);
        for item in self.items.iter_mut().filter(|item| item.due <= now) {
            ask(item.seq);
            item.attempts += 1;
            item.due = now + retry;
        }
        self.next = self.items.iter().map(|item| item.due).min();
        given_up
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(80);

    #[test]
    fn asks_after_a_moment_then_by_round_trips_until_it_comes_or_is_too_old() {
        let start = Instant::now();
        let mut missing = Missing::new(100);
        assert!(missing.note(start, 10, 2));
        let mut asked = Vec::new();
        let mut given_up = 0;
        for ms in 0..3_000 {
            let now = start + Duration::from_millis(ms);
            given_up += missing.take_due(now, RTT, |seq| asked.push((ms, seq)));
            if ms == 50 {
                missing.settle(9);
            }
        }
        assert_eq!(&asked[..3], [(10, 8), (10, 9), (110, 8)]);
        assert_eq!(asked.len(), 11, "{asked:?}");
        assert_eq!(given_up, 1);
        assert_eq!(missing.next(), None);
    }

    #[test]
    fn too_large_a_gap_is_not_asked_for() {
        let start = Instant::now();
        let mut missing = Missing::new(100);
        assert!(missing.note(start, 50, 40));
        assert!(!missing.note(start, 200, 61));
        assert_eq!(missing.next(), None);
    }

    #[test]
    fn what_comes_in_time_is_not_asked_for() {
        let start = Instant::now();
        let mut missing = Missing::new(100);
        missing.note(start, 3, 1);
        missing.settle(2);
        let later = start + Duration::from_secs(1);
        missing.take_due(later, RTT, |seq| panic!("asked for {seq}"));
    }
}

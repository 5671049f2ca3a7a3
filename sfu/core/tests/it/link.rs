//! One direction of a network path, repeatable from a seed: a bottleneck with a
//! bounded queue, then delay, jitter, loss, reordering and duplication.
//!
//! Knows sizes and times; what a packet is belongs to the caller.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

/// How packets get lost, apart from the queue's overflow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Loss {
    None,
    /// Each with this probability.
    Random(f64),
    /// Gilbert (1960): all in a bad state and none in a good one; this part of the
    /// packets in bursts of this mean length.
    Bursty {
        part: f64,
        burst: f64,
    },
}

/// What a direction does to packets. May be changed while it runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// Speed of the bottleneck, bits per second; `None` is as fast as it comes.
    pub(crate) rate_bps: Option<u64>,
    /// What waits at the bottleneck at most; more is dropped.
    pub(crate) queue_bytes: usize,
    pub(crate) delay: Duration,
    /// Each packet is late by up to this much more; order is kept.
    pub(crate) jitter: Duration,
    pub(crate) loss: Loss,
    /// This part of the packets is late by `reorder_by`, behind those sent later.
    pub(crate) reorder: f64,
    pub(crate) reorder_by: Duration,
    pub(crate) duplicate: f64,
    /// Larger packets are dropped, without a word, as routers do behind filters.
    pub(crate) mtu_bytes: usize,
}

impl Path {
    /// As fast as it comes, with this delay.
    pub(crate) const fn good(delay: Duration) -> Self {
        Self {
            rate_bps: None,
            queue_bytes: 64 * 1024,
            delay,
            jitter: Duration::ZERO,
            loss: Loss::None,
            reorder: 0.0,
            reorder_by: Duration::from_millis(30),
            duplicate: 0.0,
            mtu_bytes: 1500,
        }
    }

    pub(crate) const fn rate(self, rate_bps: u64) -> Self {
        Self { rate_bps: Some(rate_bps), ..self }
    }

    pub(crate) const fn loss(self, loss: Loss) -> Self {
        Self { loss, ..self }
    }

    pub(crate) const fn jitter(self, jitter: Duration) -> Self {
        Self { jitter, ..self }
    }
}

/// What became of the packets so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    pub(crate) delivered_bytes: u64,
    pub(crate) lost: u64,
    pub(crate) overflowed: u64,
    pub(crate) too_large: u64,
}

#[derive(Debug)]
struct Waiting<T> {
    bytes: usize,
    since: Instant,
    item: T,
}

#[derive(Debug)]
struct Flying<T> {
    at: Instant,
    order: u64,
    item: T,
}

impl<T> PartialEq for Flying<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl<T> Eq for Flying<T> {}

impl<T> PartialOrd for Flying<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Flying<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

#[derive(Debug)]
pub(crate) struct Link<T> {
    pub(crate) path: Path,
    pub(crate) tally: Tally,
    random: Random,
    waiting: VecDeque<Waiting<T>>,
    waiting_bytes: usize,
    /// When the packet at the head has left the bottleneck.
    head_leaves: Option<Instant>,
    flying: BinaryHeap<Reverse<Flying<T>>>,
    last_arrival: Option<Instant>,
    bad_state: bool,
    longest_wait: Duration,
}

impl<T: Clone> Link<T> {
    pub(crate) fn new(path: Path, seed: u64) -> Self {
        Self {
            path,
            tally: Tally::default(),
            random: Random::new(seed),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            head_leaves: None,
            flying: BinaryHeap::new(),
            last_arrival: None,
            bad_state: false,
            longest_wait: Duration::ZERO,
        }
    }

    /// A packet of `bytes` as they count at the bottleneck.
    pub(crate) fn send(&mut self, now: Instant, bytes: usize, item: T) {
        self.serve(now);
        self.tally.sent += 1;
        if bytes > self.path.mtu_bytes {
            self.tally.too_large += 1;
        } else if self.path.rate_bps.is_none() && self.waiting.is_empty() {
            self.fly(now, bytes, item);
        } else if self.waiting_bytes + bytes > self.path.queue_bytes {
            self.tally.overflowed += 1;
        } else {
            self.waiting_bytes += bytes;
            self.waiting.push_back(Waiting { bytes, since: now, item });
            self.start_head(now);
        }
    }

    /// The next packet that has arrived.
    pub(crate) fn receive(&mut self, now: Instant) -> Option<(Instant, T)> {
        self.serve(now);
        if self.flying.peek()?.0.at > now {
            return None;
        }
        self.flying.pop().map(|Reverse(flying)| (flying.at, flying.item))
    }

    /// The longest time a packet waited at the bottleneck since the last call.
    pub(crate) fn take_longest_wait(&mut self) -> Duration {
        std::mem::take(&mut self.longest_wait)
    }

    /// Moves what has left the bottleneck into the air.
    fn serve(&mut self, now: Instant) {
        while let Some(leaves) = self.head_leaves.filter(|leaves| *leaves <= now) {
            self.head_leaves = None;
            let Some(head) = self.waiting.pop_front() else { return };
            self.waiting_bytes -= head.bytes;
            self.longest_wait = self.longest_wait.max(leaves - head.since);
            self.fly(leaves, head.bytes, head.item);
            self.start_head(leaves);
        }
    }

    fn start_head(&mut self, now: Instant) {
        let Some(head) = self.waiting.front() else { return };
        let time = self.path.rate_bps.map_or(Duration::ZERO, |rate| {
            Duration::from_secs_f64(head.bytes as f64 * 8.0 / rate as f64)
        });
        self.head_leaves.get_or_insert(now + time);
    }

    fn fly(&mut self, now: Instant, bytes: usize, item: T) {
        if self.loses() {
            self.tally.lost += 1;
            return;
        }
        let mut at = now + self.path.delay + self.path.jitter.mul_f64(self.random.part());
        if self.random.part() < self.path.reorder {
            at += self.path.reorder_by;
        } else {
            at = self.last_arrival.map_or(at, |last| at.max(last));
            self.last_arrival = Some(at);
        }
        self.tally.delivered_bytes += bytes as u64;
        if self.random.part() < self.path.duplicate {
            self.arrive(at + Duration::from_millis(1), item.clone());
        }
        self.arrive(at, item);
    }

    fn arrive(&mut self, at: Instant, item: T) {
        let order = self.tally.sent;
        self.flying.push(Reverse(Flying { at, order, item }));
    }

    fn loses(&mut self) -> bool {
        let lot = self.random.part();
        match self.path.loss {
            Loss::None => false,
            Loss::Random(part) => lot < part,
            Loss::Bursty { part, burst } => {
                // Stationary share of the bad state is `part`, its mean stay `burst`.
                let leave = 1.0 / burst;
                let enter = leave * part / (1.0 - part);
                self.bad_state = if self.bad_state { lot >= leave } else { lot < enter };
                self.bad_state
            }
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below 1.
    pub(crate) fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    fn origin() -> Instant {
        Instant::now()
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_bottleneck_spaces_packets_and_overflows() {
        let start = origin();
        let path = Path { queue_bytes: 5_000, ..Path::good(10 * MS).rate(800_000) };
        let mut link = Link::new(path, 1);
        for number in 0..10 {
            link.send(start, 1_000, number);
        }
        assert_eq!(link.tally.overflowed, 5);
        let mut arrivals = Vec::new();
        while let Some((at, number)) = link.receive(start + 1_000 * MS) {
            arrivals.push(((at - start).as_millis(), number));
        }
        assert_eq!(arrivals, [(20, 0), (30, 1), (40, 2), (50, 3), (60, 4)]);
        assert_eq!(link.take_longest_wait(), 50 * MS);
    }

    #[test]
    fn bursts_have_their_share_and_length() {
        let start = origin();
        let mut link = Link::new(Path::good(MS).loss(Loss::Bursty { part: 0.1, burst: 8.0 }), 2);
        let mut bursts = 0;
        let mut lost_before = false;
        for number in 0..100_000 {
            let before = link.tally.lost;
            link.send(start, 100, number);
            let lost = link.tally.lost > before;
            bursts += u64::from(lost && !lost_before);
            lost_before = lost;
        }
        let share = link.tally.lost as f64 / 100_000.0;
        let length = link.tally.lost as f64 / bursts as f64;
        assert!((0.09..0.11).contains(&share), "{share}");
        assert!((7.0..9.0).contains(&length), "{length}");
    }

    #[test]
    fn jitter_keeps_order_and_reordering_does_not() {
        let start = origin();
        let in_order = |path: Path| {
            let mut link = Link::new(path, 3);
            for number in 0..1_000_u32 {
                link.send(start + number * MS, 100, number);
            }
            let received: Vec<_> =
                std::iter::from_fn(|| link.receive(start + 5_000 * MS)).map(|(_, n)| n).collect();
            assert_eq!(received.len(), 1_000);
            received.is_sorted()
        };
        assert!(in_order(Path::good(10 * MS).jitter(50 * MS)));
        assert!(!in_order(Path { reorder: 0.05, ..Path::good(10 * MS) }));
    }
}

//! What a participant may send in a second. Judged after a packet proved to be theirs, so
//! that a stranger who writes their address into packets uses up nothing of it.

use std::time::{Duration, Instant};

use crate::config::Limits;

const SECOND: Duration = Duration::from_secs(1);

/// The bounds of one participant, and how much of them is used up.
#[derive(Debug)]
pub(crate) struct Allowance {
    bits: Bucket,
    packets: Bucket,
    reports: Bucket,
}

impl Allowance {
    pub(crate) fn new(now: Instant, limits: &Limits) -> Self {
        Self {
            bits: Bucket::new(now, limits.publish_bps),
            packets: Bucket::new(now, limits.publish_packets_per_second.into()),
            reports: Bucket::new(now, limits.reports_per_second.into()),
        }
    }

    /// Whether a media packet of `bytes` is within the bounds; it counts if so.
    pub(crate) fn admits_packet(&mut self, now: Instant, bytes: usize) -> bool {
        self.packets.take(now, 1) && self.bits.take(now, 8 * bytes as u64)
    }

    /// Whether a datagram of RTCP is; it counts if so.
    pub(crate) fn admits_report(&mut self, now: Instant) -> bool {
        self.reports.take(now, 1)
    }
}

/// A leaky bucket that holds a second's worth.
#[derive(Debug)]
struct Bucket {
    per_second: u64,
    /// When all that was taken would have come at the rate.
    clear_at: Instant,
}

impl Bucket {
    const fn new(now: Instant, per_second: u64) -> Self {
        Self { per_second, clear_at: now }
    }

    fn take(&mut self, now: Instant, count: u64) -> bool {
        let clear_at = self.clear_at.max(now);
        if clear_at - now >= SECOND {
            return false;
        }
        // A packet has less than 2^16 bytes, so this is less than 2^50.
        self.clear_at =
            clear_at + Duration::from_nanos(count * 1_000_000_000 / self.per_second.max(1));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    fn a_second_at_once_then_the_rate() {
        let start = Instant::now();
        let limits = Limits {
            publish_bps: 800_000,
            publish_packets_per_second: 1_000,
            reports_per_second: 10,
            ..Limits::default()
        };
        let mut allowance = Allowance::new(start, &limits);
        let mut admitted = |at_ms, packets, bytes| {
            let now = start + Duration::from_millis(at_ms);
            (0..packets).filter(|_| allowance.admits_packet(now, bytes)).count()
        };
        assert_eq!(admitted(0, 5_000, 10), 1_000, "by number");
        assert_eq!(admitted(500, 5_000, 10), 500);
        assert_eq!(admitted(3_000, 5_000, 1_000), 100, "by size");
        assert_eq!(admitted(3_100, 5_000, 1_000), 10);
        let reports = (0..50).filter(|_| allowance.admits_report(start)).count();
        assert_eq!(reports, 10, "counted apart");
    }
}

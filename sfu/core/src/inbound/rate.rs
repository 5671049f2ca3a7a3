//! How much arrived in the last second.

use std::time::{Duration, Instant};

const BUCKETS: usize = 8;
const BUCKET_MS: u64 = 125;

/// Bytes and packets over a sliding second, in eighths.
#[derive(Debug)]
pub(crate) struct Rate {
    start: Instant,
    /// Eighths since `start` up to the one being filled.
    filling: u64,
    bytes: [u32; BUCKETS],
    packets: [u16; BUCKETS],
}

impl Rate {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { start: now, filling: 0, bytes: [0; BUCKETS], packets: [0; BUCKETS] }
    }

    pub(crate) fn note(&mut self, now: Instant, bytes: usize) {
        self.advance(now);
        let index = (self.filling % BUCKETS as u64) as usize;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.bytes[index] = self.bytes[index].saturating_add(bytes);
        self.packets[index] = self.packets[index].saturating_add(1);
    }

    /// Bits per second.
    pub(crate) fn bps(&mut self, now: Instant) -> u64 {
        self.advance(now);
        let bytes: u64 = self.bytes.iter().copied().map(u64::from).sum();
        let over = self.covered(now);
        bytes * 8 * 1_000 / over
    }

    /// Packets per second.
    #[cfg(test)]
    pub(crate) fn pps(&mut self, now: Instant) -> u64 {
        self.advance(now);
        let packets: u64 = self.packets.iter().copied().map(u64::from).sum();
        packets * 1_000 / self.covered(now)
    }

    /// Milliseconds the buckets stand for.
    fn covered(&self, now: Instant) -> u64 {
        let elapsed = milliseconds(now.saturating_duration_since(self.start));
        let whole = (BUCKETS as u64 - 1) * BUCKET_MS;
        // The bucket being filled is partly in the future.
        elapsed.min(whole + elapsed % BUCKET_MS).max(BUCKET_MS)
    }

    fn advance(&mut self, now: Instant) {
        let bucket = milliseconds(now.saturating_duration_since(self.start)) / BUCKET_MS;
        let passed = bucket.saturating_sub(self.filling).min(BUCKETS as u64);
        for step in 1..=passed {
            let index = ((self.filling + step) % BUCKETS as u64) as usize;
            (self.bytes[index], self.packets[index]) = (0, 0);
        }
        if passed == BUCKETS as u64 {
            (self.bytes, self.packets) = ([0; BUCKETS], [0; BUCKETS]);
        }
        self.filling = self.filling.max(bucket);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_second() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        for ms in (0..5_000).step_by(10) {
            rate.note(start + Duration::from_millis(ms), 125);
        }
        let now = start + Duration::from_millis(4_999);
        let bps = rate.bps(now);
        assert!((97_000..=103_000).contains(&bps), "{bps}");
        assert!((97..=103).contains(&rate.pps(now)));
        assert_eq!(rate.bps(now + Duration::from_secs(2)), 0);
    }

    #[test]
    fn a_stream_that_began_just_now_has_a_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        for ms in (0..300).step_by(10) {
            rate.note(start + Duration::from_millis(ms), 125);
        }
        let bps = rate.bps(start + Duration::from_millis(300));
        assert!((95_000..=105_000).contains(&bps), "{bps}");
    }
}

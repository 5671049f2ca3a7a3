//! How many frames and bytes may come in a time: two token buckets in the form of
//! the generic cell rate algorithm (ITU-T I.371), sixteen bytes each.
//!
//! By hand and not from a library, since there are two of these in every connection
//! and a library's limiter brings its own clock and lock.

use std::time::Duration;

use tokio::time::Instant;

/// What is allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) frames: Rate,
    pub(crate) bytes: Rate,
}

/// So much a second on average, and so much at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    per_second: u32,
    burst: u32,
}

impl Rate {
    /// Zero is taken for one.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second: per_second.max(1), burst: burst.max(1) }
    }

    fn time_for(self, amount: u64) -> Duration {
        let nanos = u128::from(amount) * 1_000_000_000 / u128::from(self.per_second);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Refused; it would pass after so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait(pub(crate) Duration);

/// What was used.
#[derive(Default)]
pub(crate) struct Meter {
    frames: Bucket,
    bytes: Bucket,
}

impl Meter {
    /// Counts a frame, unless it is refused.
    pub(crate) fn check(&mut self, rates: &Rates, now: Instant, bytes: usize) -> Result<(), Wait> {
        let bytes = bytes as u64;
        self.bytes.ask(rates.bytes, now, bytes)?;
        self.frames.ask(rates.frames, now, 1)?;
        self.bytes.take(rates.bytes, now, bytes);
        self.frames.take(rates.frames, now, 1);
        Ok(())
    }
}

/// When the bucket will be full again; none: it is.
#[derive(Default)]
struct Bucket {
    full_at: Option<Instant>,
}

impl Bucket {
    /// Whether so much is in it. More than a whole bucket is let through a full one,
    /// or it could never pass.
    fn ask(&self, rate: Rate, now: Instant, amount: u64) -> Result<(), Wait> {
        let used = self.full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let room = rate.time_for(u64::from(rate.burst).saturating_sub(amount));
        if used <= room { Ok(()) } else { Err(Wait(used - room)) }
    }

    fn take(&mut self, rate: Rate, now: Instant, amount: u64) {
        let from = self.full_at.map_or(now, |at| at.max(now));
        self.full_at = Some(from + rate.time_for(amount));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// In any stretch of time, from its first frame: the burst and the average.
        #[test]
        fn never_more_than_the_rate(
            gaps_ms in proptest::collection::vec(0..400_u64, 1..60),
            per_second in 1..20_u32,
            burst in 1..10_u32,
        ) {
            let plenty = Rate::new(u32::MAX, u32::MAX);
            let rates = Rates { frames: Rate::new(per_second, burst), bytes: plenty };
            let (began, mut meter) = (Instant::now(), Meter::default());
            let mut at = Duration::ZERO;
            let mut passed: Vec<Duration> = Vec::new();
            for gap in gaps_ms {
                at += Duration::from_millis(gap);
                match meter.check(&rates, began + at, 10) {
                    Ok(()) => passed.push(at),
                    Err(Wait(wait)) => {
                        // It says exactly how long.
                        let mut early = Meter { frames: Bucket { full_at: meter.frames.full_at }, bytes: Bucket::default() };
                        prop_assert!(early.check(&rates, began + at + wait, 10).is_ok());
                    }
                }
            }
            for (number, first) in passed.iter().enumerate() {
                for (more, last) in passed[number..].iter().enumerate() {
                    let allowed = f64::from(burst) + (*last - *first).as_secs_f64() * f64::from(per_second);
                    prop_assert!((more + 1) as f64 <= allowed + 1e-6);
                }
            }
        }
    }

    #[test]
    fn bytes_count_and_a_long_frame_passes_a_full_bucket() {
        let frames = Rate::new(1000, 1000);
        let rates = Rates { frames, bytes: Rate::new(100, 200) };
        let (now, mut meter) = (Instant::now(), Meter::default());
        meter.check(&rates, now, 150).unwrap();
        assert_eq!(meter.check(&rates, now, 100), Err(Wait(Duration::from_millis(500))));
        meter.check(&rates, now, 50).unwrap();
        let mut other = Meter::default();
        other.check(&rates, now, 100_000).unwrap();
        assert!(other.check(&rates, now + Duration::from_secs(2), 1).is_err());
    }
}

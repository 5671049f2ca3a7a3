//! How fast one connection may send.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::Config;

/// A token bucket and the memory of how often it was empty.
pub(super) struct Rate {
    bucket: DefaultDirectRateLimiter,
    clock: DefaultClock,
    strikes: u32,
    max_strikes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Refuse {
        retry_after: Duration,
    },
    /// Refused too often.
    Close,
}

impl Rate {
    pub(super) fn new(config: &Config) -> Self {
        let per_second = NonZeroU32::new(config.frames_per_second).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(config.frames_burst).unwrap_or(NonZeroU32::MIN);
        Self {
            bucket: RateLimiter::direct(Quota::per_second(per_second).allow_burst(burst)),
            clock: DefaultClock::default(),
            strikes: 0,
            max_strikes: config.max_rate_strikes,
        }
    }

    /// Counts one frame. A frame that passes forgives one strike.
    pub(super) fn check(&mut self) -> Verdict {
        match self.bucket.check() {
            Ok(()) => {
                self.strikes = self.strikes.saturating_sub(1);
                Verdict::Pass
            }
            Err(_) if self.strikes >= self.max_strikes => Verdict::Close,
            Err(until) => {
                self.strikes += 1;
                Verdict::Refuse { retry_after: until.wait_time_from(self.clock.now()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_with_a_time_and_then_closes() {
        let config = Config {
            frames_per_second: 1,
            frames_burst: 2,
            max_rate_strikes: 1,
            ..Config::default()
        };
        let mut rate = Rate::new(&config);
        assert_eq!([rate.check(), rate.check()], [Verdict::Pass; 2]);
        let Verdict::Refuse { retry_after } = rate.check() else { panic!("the bucket is empty") };
        assert!(retry_after <= Duration::from_secs(1));
        assert_eq!(rate.check(), Verdict::Close);
    }
}

//! Rate limits of sign-in, uploads and searches, in this process. The bounds that must
//! hold across processes (tries of a code, codes per phone) are in the database.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use housecall_protocol::PersonId;

use crate::config::{Config, RateLimit};
use crate::problem::ApiError;

/// Keys a limiter remembers. When a flood of keys passes it, idle keys are
/// dropped; if that frees nothing, newcomers are refused.
const MAX_KEYS: usize = 100_000;

/// All limiters of the service.
pub(crate) struct Limits {
    pub(crate) codes_by_address: Limiter<IpAddr>,
    pub(crate) verifies_by_address: Limiter<IpAddr>,
    pub(crate) logins_by_email: Limiter<String>,
    pub(crate) logins_by_address: Limiter<IpAddr>,
    pub(crate) uploads_by_person: Limiter<PersonId>,
    pub(crate) searches_by_person: Limiter<PersonId>,
}

impl Limits {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            codes_by_address: Limiter::new(config.codes_per_address),
            verifies_by_address: Limiter::new(config.verifies_per_address),
            logins_by_email: Limiter::new(config.logins_per_email),
            logins_by_address: Limiter::new(config.logins_per_address),
            uploads_by_person: Limiter::new(config.uploads_per_person),
            searches_by_person: Limiter::new(config.searches_per_person),
        }
    }

    /// Forgets keys whose bucket is full again.
    pub(crate) fn sweep(&self) {
        self.codes_by_address.sweep();
        self.verifies_by_address.sweep();
        self.logins_by_email.sweep();
        self.logins_by_address.sweep();
        self.uploads_by_person.sweep();
        self.searches_by_person.sweep();
    }
}

/// A keyed leaky bucket with a bounded memory.
pub(crate) struct Limiter<K: Clone + std::hash::Hash + Eq> {
    inner: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
}

impl<K: Clone + std::hash::Hash + Eq> Limiter<K> {
    fn new(limit: RateLimit) -> Self {
        let period = Duration::from_secs(u64::from(limit.every_s.max(1)));
        let burst = NonZeroU32::new(limit.burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(period).expect("a second is not zero").allow_burst(burst);
        Self { inner: DefaultKeyedRateLimiter::keyed(quota), clock: DefaultClock::default() }
    }

    /// Counts one use of `key`.
    pub(crate) fn check(&self, key: &K) -> Result<(), ApiError> {
        if self.inner.len() >= MAX_KEYS {
            self.sweep();
            if self.inner.len() >= MAX_KEYS {
                return Err(ApiError::RateLimited { retry_after_s: 60 });
            }
        }
        self.inner.check_key(key).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now()).as_secs() + 1;
            ApiError::RateLimited { retry_after_s: u32::try_from(wait).unwrap_or(u32::MAX) }
        })
    }

    fn sweep(&self) {
        self.inner.retain_recent();
        self.inner.shrink_to_fit();
    }
}

/// What stands for a client: an IPv4 address, or the /64 of an IPv6 one, which is
/// what a subscriber is given whole.
pub(crate) fn address_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_next_is_told_to_wait() {
        let limiter = Limiter::new(RateLimit { burst: 3, every_s: 600 });
        for _ in 0..3 {
            assert!(limiter.check(&1).is_ok());
        }
        let Err(ApiError::RateLimited { retry_after_s }) = limiter.check(&1) else {
            panic!("the fourth must wait");
        };
        assert!((590..=601).contains(&retry_after_s), "{retry_after_s}");
        assert!(limiter.check(&2).is_ok(), "another key is not concerned");
    }

    #[test]
    fn one_subscriber_is_one_key() {
        let a = address_key("2001:db8:1:2::1".parse().expect("an address"));
        let b = address_key("2001:db8:1:2:ffff::9".parse().expect("an address"));
        let c = address_key("2001:db8:1:3::1".parse().expect("an address"));
        assert_eq!(a, b);
        assert_ne!(a, c);
        let mapped = address_key("::ffff:192.0.2.7".parse().expect("an address"));
        assert_eq!(mapped, "192.0.2.7".parse::<IpAddr>().expect("an address"));
    }
}

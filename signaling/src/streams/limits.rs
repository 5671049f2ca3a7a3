//! How often one address may ask, and how many requests are under way at once.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::refusal::Refusal;
use crate::config::StreamConfig;
use crate::gateway::admission::subscriber;

/// Addresses remembered at once. When there are more, those that have not asked lately
/// are forgotten; when none can be, nobody new is admitted.
const MAX_ADDRESSES: usize = 10_000;

pub(super) struct Limits {
    rate: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
    requests: Arc<Semaphore>,
}

impl Limits {
    pub(super) fn new(config: &StreamConfig) -> Self {
        let per_minute = NonZeroU32::new(config.requests_per_minute).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(config.requests_burst).unwrap_or(NonZeroU32::MIN);
        Self {
            rate: RateLimiter::keyed(Quota::per_minute(per_minute).allow_burst(burst)),
            clock: DefaultClock::default(),
            requests: Arc::new(Semaphore::new(config.max_requests)),
        }
    }

    /// A place for one request, given back when dropped.
    pub(super) fn admit(&self, address: Option<IpAddr>) -> Result<OwnedSemaphorePermit, Refusal> {
        if let Some(address) = address {
            self.check(subscriber(address))?;
        }
        Arc::clone(&self.requests).try_acquire_owned().map_err(|_| Refusal::Unavailable)
    }

    fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        if self.rate.len() >= MAX_ADDRESSES {
            self.rate.retain_recent();
            if self.rate.len() >= MAX_ADDRESSES {
                return Err(Refusal::Unavailable);
            }
        }
        self.rate.check_key(&address).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            Refusal::RateLimited { retry_after_s: wait.as_secs() + 1 }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_the_process_have_their_bounds() {
        let config = StreamConfig {
            requests_per_minute: 1,
            requests_burst: 2,
            max_requests: 3,
            ..StreamConfig::default()
        };
        let limits = Limits::new(&config);
        let here = Some(IpAddr::from([192, 0, 2, 1]));
        let _two = [limits.admit(here).unwrap(), limits.admit(here).unwrap()];
        let refused = limits.admit(here).err();
        assert!(matches!(refused, Some(Refusal::RateLimited { retry_after_s: 1..=61 })));
        let third = limits.admit(None).unwrap();
        assert_eq!(limits.admit(None).err(), Some(Refusal::Unavailable));
        drop(third);
        assert!(limits.admit(None).is_ok());
    }
}

//! Asking publishers for keyframes without asking too often.

use std::time::{Duration, Instant};

/// Shortest time between two requests to one source. A keyframe takes about a
/// round trip to arrive; asking sooner makes the encoder send a second one.
const MIN_INTERVAL: Duration = Duration::from_millis(250);
/// Longest time between two repetitions while a keyframe is awaited.
const MAX_INTERVAL: Duration = Duration::from_secs(2);
/// Repetitions at the shortest interval before it doubles.
const EAGER_ATTEMPTS: u32 = 4;

/// Requests for keyframes of one source: at once when allowed, repeated until one
/// arrives (PLI is not acknowledged, RFC 4585 section 6.3.1).
#[derive(Debug, Default)]
pub(crate) struct KeyframeRequests {
    last: Option<Instant>,
    next: Option<Instant>,
    attempts: u32,
}

impl KeyframeRequests {
    /// Somebody needs a keyframe. It will be asked for when [`Self::take_due`] says so.
    pub(crate) fn want(&mut self, now: Instant) {
        let soonest = self.last.map_or(now, |last| (last + MIN_INTERVAL).max(now));
        self.next = Some(self.next.map_or(soonest, |next| next.min(soonest)));
    }

    /// A keyframe began to arrive, or nobody needs one any more.
    pub(crate) const fn settle(&mut self) {
        self.next = None;
        self.attempts = 0;
    }

    /// Whether to send a request now.
    pub(crate) fn take_due(&mut self, now: Instant) -> bool {
        if self.next.is_none_or(|next| next > now) {
            return false;
        }
        self.last = Some(now);
        self.attempts += 1;
        self.next = Some(now + self.interval());
        true
    }

    pub(crate) const fn next(&self) -> Option<Instant> {
        self.next
    }

    fn interval(&self) -> Duration {
        let doublings = self.attempts.saturating_sub(EAGER_ATTEMPTS).min(3);
        (MIN_INTERVAL * 2_u32.pow(doublings)).min(MAX_INTERVAL)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
mod tests {
    use super::*;

    #[test]
    fn asks_at_once_then_repeats_ever_slower_until_a_keyframe_comes() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        requests.want(start);

        let mut asked = Vec::new();
        for ms in 0..20_000 {
            if requests.take_due(start + Duration::from_millis(ms)) {
                asked.push(ms);
            }
        }
        assert_eq!(&asked[..5], [0, 250, 500, 750, 1000]);
        assert!(asked.len() < 20, "{asked:?}");
        assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= 2000), "{asked:?}");

        requests.settle();
        assert!(!requests.take_due(start + Duration::from_secs(60)));
    }

    #[test]
    fn many_wishes_make_one_request_per_interval() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        let asked = (0..1000)
            .filter(|ms| {
                let now = start + Duration::from_millis(*ms);
                requests.want(now);
                requests.take_due(now)
            })
            .count();
        assert_eq!(asked, 4);
    }
}

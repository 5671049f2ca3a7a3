//! Asking publishers for keyframes without asking too often.

use std::time::{Duration, Instant};

/// Shortest time between two requests to one source. A keyframe takes about a
/// round trip to arrive; asking sooner makes the encoder send a second one.
const MIN_INTERVAL: Duration = Duration::from_millis(250);
/// Longest time between two requests while a keyframe is awaited.
const MAX_INTERVAL: Duration = Duration::from_secs(4);
/// Requests at the shortest interval before it doubles: the first may be lost.
const EAGER_ATTEMPTS: u32 = 2;
/// No other one is asked for while one is coming in, for this long after the request.
const COMING_PATIENCE: Duration = Duration::from_secs(1);
/// Time between two requests, as a part of what a keyframe took last: who gets it has to
/// notice that it is whole.
const SPACING: (u32, u32) = (3, 2);

/// Requests for keyframes of one source: at once when allowed, repeated until one
/// arrives (PLI is not acknowledged, RFC 4585 section 6.3.1).
///
/// Over an uplink that is too narrow a keyframe takes seconds, and each further one that
/// is asked for meanwhile stands in the way of the last. So requests are as far apart as
/// a keyframe took to come whole, as long as it was asked of a stream that flowed: a
/// camera that is being opened takes seconds as well, and says nothing of its uplink.
#[derive(Debug, Default)]
pub(crate) struct KeyframeRequests {
    last: Option<Instant>,
    next: Option<Instant>,
    attempts: u32,
    /// When the keyframe was asked for first that did not come whole yet.
    asked: Option<Instant>,
    /// The timestamp of the keyframe that is coming in.
    coming: Option<u32>,
    /// What keyframes take from request to end.
    took: Duration,
}

impl KeyframeRequests {
    /// Somebody needs a keyframe. It will be asked for when [`Self::take_due`] says so.
    pub(crate) fn want(&mut self, now: Instant) {
        // One that is coming in may be what is wanted.
        let coming = if self.coming.is_some() { COMING_PATIENCE } else { Duration::ZERO };
        let pause = self.spacing().max(coming);
        let soonest = self.last.map_or(now, |last| (last + pause).max(now));
        self.next = Some(self.next.map_or(soonest, |next| next.min(soonest)));
    }

    /// A keyframe began to arrive.
    pub(crate) const fn begin(&mut self, timestamp: u32) {
        self.coming = Some(timestamp);
        self.next = None;
        self.attempts = 0;
    }

    /// Nobody needs a keyframe any more.
    pub(crate) const fn settle(&mut self) {
        self.next = None;
        self.attempts = 0;
        self.asked = None;
    }

    /// A packet in order of the stream, after [`Self::begin`] if it begins a keyframe.
    pub(crate) fn note(&mut self, now: Instant, timestamp: u32, marker: bool) {
        let Some(coming) = self.coming else { return };
        if coming != timestamp || marker {
            self.coming = None;
            if let Some(asked) = self.asked.take() {
                let took = now.saturating_duration_since(asked);
                // A good uplink is believed sooner than a bad one is forgotten.
                self.took = took.max((self.took + took) / 2).min(MAX_INTERVAL);
            }
        }
    }

    /// Whether to send a request now. `flows`: packets of the stream arrive.
    pub(crate) fn take_due(&mut self, now: Instant, flows: bool) -> bool {
        if self.next.is_none_or(|next| next > now) {
            return false;
        }
        self.last = Some(now);
        self.attempts += 1;
        self.next = Some(now + self.interval());
        if flows {
            self.asked.get_or_insert(now);
        }
        true
    }

    pub(crate) const fn next(&self) -> Option<Instant> {
        self.next
    }

    fn spacing(&self) -> Duration {
        (self.took * SPACING.0 / SPACING.1).clamp(MIN_INTERVAL, MAX_INTERVAL)
    }

    fn interval(&self) -> Duration {
        let doublings = self.attempts.saturating_sub(EAGER_ATTEMPTS).min(4);
        (self.spacing() * 2_u32.pow(doublings)).min(MAX_INTERVAL)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Somebody wants a keyframe all the time; each that is asked for takes `takes` to
    /// begin, and as long again to come whole. Requests in ten seconds.
    fn asked_for(takes: Duration, flows: bool) -> usize {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        let (mut asked, mut begins, mut ends) = (0, Vec::new(), Vec::new());
        for step in 0..10_000 {
            let now = start + ms(step);
            requests.want(now);
            if requests.take_due(now, flows) {
                asked += 1;
                begins.push(now + takes);
                ends.push(now + takes * 2);
            }
            for (timestamp, at) in begins.iter().enumerate() {
                if *at == now {
                    requests.begin(timestamp as u32);
                    requests.note(now, timestamp as u32, false);
                }
            }
            for (timestamp, at) in ends.iter().enumerate() {
                if *at == now {
                    requests.note(now, timestamp as u32, true);
                }
            }
        }
        asked
    }

    #[test]
    fn asks_at_once_then_repeats_ever_slower_until_a_keyframe_comes() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        requests.want(start);

        let mut asked = Vec::new();
        for step in 0..30_000 {
            if requests.take_due(start + ms(step), true) {
                asked.push(step);
            }
        }
        assert_eq!(&asked[..6], [0, 250, 500, 1_000, 2_000, 4_000]);
        assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= 4_000), "{asked:?}");

        requests.settle();
        assert!(!requests.take_due(start + Duration::from_secs(60), true));
    }

    #[test]
    fn many_wishes_make_one_request_per_interval() {
        assert_eq!(asked_for(ms(20), true), 40);
    }

    #[test]
    fn a_keyframe_that_takes_seconds_is_asked_for_seldom() {
        let asked = asked_for(ms(800), true);
        assert!((3..=9).contains(&asked), "{asked}");
        // What a camera takes to open is no reason to wait.
        assert!(asked_for(ms(800), false) > 20);
    }

    #[test]
    fn a_better_uplink_is_noticed() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        let mut now = start;
        let mut pause = |took: Duration, timestamp| {
            requests.want(now);
            let since = now;
            now = requests.next().expect("one is wanted");
            assert!(requests.take_due(now, true));
            let waited = now - since;
            now += took;
            requests.begin(timestamp);
            requests.note(now, timestamp, true);
            waited
        };
        pause(Duration::from_secs(3), 1);
        assert!(pause(ms(100), 2) > ms(900), "it took three seconds");
        let waits: Vec<_> = (3..12).map(|timestamp| pause(ms(100), timestamp)).collect();
        assert!(waits[8] <= MIN_INTERVAL, "{waits:?}");
    }
}

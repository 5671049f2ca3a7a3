//! Which layers of a track are worth sending.
//!
//! A layer that nobody gets is switched off after a while, since people come back to
//! large tiles; one that somebody wants is switched on at once. Its publisher keeps
//! the encoder's work and the uplink for what is watched.

use std::time::{Duration, Instant};

use crate::codec::MAX_SPATIAL;

/// How long nobody must have wanted a layer before it is switched off. Switching it
/// on again costs a round trip and a keyframe, so a glance elsewhere should not.
const OFF_AFTER: Duration = Duration::from_secs(8);

/// The layers of one track that its publisher was told to send.
#[derive(Clone, Debug)]
pub struct Dynacast {
    /// A bit for each spatial layer.
    told: u8,
    unwanted_since: [Option<Instant>; MAX_SPATIAL],
}

impl Default for Dynacast {
    /// Publishers begin with all layers.
    fn default() -> Self {
        Self { told: (1 << MAX_SPATIAL) - 1, unwanted_since: [None; MAX_SPATIAL] }
    }
}

impl Dynacast {
    /// Takes the layers that somebody wants now, a bit for each. Returns those to send
    /// from now on when they are others than before.
    pub fn update(&mut self, now: Instant, wanted: u8) -> Option<u8> {
        let mut told = self.told | wanted & ((1 << MAX_SPATIAL) - 1);
        for (layer, since) in self.unwanted_since.iter_mut().enumerate() {
            let bit = 1 << layer;
            if wanted & bit != 0 || told & bit == 0 {
                *since = None;
            } else if now.saturating_duration_since(*since.get_or_insert(now)) >= OFF_AFTER {
                *since = None;
                told &= !bit;
            }
        }
        (std::mem::replace(&mut self.told, told) != told).then_some(told)
    }

    /// Whether the publisher is asked to send a layer.
    pub const fn is_on(&self, spatial: u8) -> bool {
        self.told >> (spatial & 7) & 1 == 1
    }

    /// What the publisher was told last, a bit for each spatial layer.
    pub const fn told(&self) -> u8 {
        self.told
    }

    /// When a layer is due to be switched off, if nobody wants it until then.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.unwanted_since.iter().flatten().min().map(|since| *since + OFF_AFTER)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn off_after_a_while_and_on_at_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut dynacast = Dynacast::default();
        assert_eq!(dynacast.update(at(0), 0b001), None);
        assert_eq!(dynacast.next_timeout(), Some(at(8_000)));
        // Wanted again in between: the wait begins anew.
        assert_eq!(dynacast.update(at(5_000), 0b101), None);
        assert_eq!(dynacast.update(at(6_000), 0b001), None);
        assert_eq!(dynacast.update(at(8_000), 0b001), Some(0b101));
        assert_eq!(dynacast.update(at(14_000), 0b001), Some(0b001));
        assert!(dynacast.is_on(0) && !dynacast.is_on(2));
        assert_eq!(dynacast.next_timeout(), None);

        assert_eq!(dynacast.update(at(15_000), 0b011), Some(0b011));
        assert_eq!(dynacast.update(at(15_500), 0b000), None);
        assert_eq!(dynacast.update(at(23_500), 0b000), Some(0b000));
        assert_eq!(dynacast.update(at(23_600), 0b100), Some(0b100));
    }

    proptest! {
        /// What is wanted is on, and a layer changes at most twice in the time after
        /// which it may be switched off.
        #[test]
        fn wanted_layers_are_on_and_do_not_flap(steps in prop::collection::vec((0..8_u8, 1..4_000_u64), 1..200)) {
            let mut now = Instant::now();
            let mut dynacast = Dynacast::default();
            let mut switched_off: [Option<Instant>; 3] = [None; 3];
            for (wanted, ms) in steps {
                now += Duration::from_millis(ms);
                let before = dynacast.told;
                dynacast.update(now, wanted);
                prop_assert_eq!(dynacast.told & wanted, wanted);
                for (layer, off) in switched_off.iter_mut().enumerate() {
                    if before >> layer & 1 == 1 && dynacast.told >> layer & 1 == 0 {
                        let last = off.replace(now);
                        prop_assert!(last.is_none_or(|last| now - last >= OFF_AFTER));
                    }
                }
            }
        }
    }
}

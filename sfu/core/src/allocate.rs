//! What each subscriber is sent of what they could be sent: which layer of each track,
//! and how much the link would have to carry for the best of everything.

use std::time::{Duration, Instant};

use crate::core::Core;
use crate::participant::Track;
use crate::slab::Key;
use crate::slots::TrackId;

/// How often a subscriber's wish is computed anew: publishers' rates are means over a
/// second.
const INTERVAL: Duration = Duration::from_millis(500);
/// Frames differ in size, and a keyframe is several frames.
const HEADROOM_PERCENT: u64 = 150;
/// A wish at least this large, so that a link is known before there is a picture.
const MIN_DESIRED_BPS: u64 = 300_000;

impl Core {
    /// The estimate of a subscriber's link may have changed.
    pub(crate) fn on_estimate(&mut self, now: Instant, key: Key) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        if participant.allocated_at.is_some_and(|at| now < at + INTERVAL) {
            return;
        }
        participant.allocated_at = Some(now);
        let carried: Vec<_> = participant.slots.iter().filter_map(|slot| slot.carries).collect();
        let wanted: u64 = carried.into_iter().map(|track| self.track_bps(now, track)).sum();
        let desired = (wanted * HEADROOM_PERCENT / 100).max(MIN_DESIRED_BPS);
        if let Some(participant) = self.participants.get_mut(key) {
            participant.outbound.set_desired_bps(now, desired);
        }
    }

    /// Bits per second of the best layer of a track.
    fn track_bps(&mut self, now: Instant, track: TrackId) -> u64 {
        let Some(publisher) = self.participants.get_mut(track.publisher) else { return 0 };
        let Some(track) = publisher.track_mut(track.source) else { return 0 };
        let streams = track.layers.iter_mut().filter_map(|layer| layer.stream.as_mut());
        streams.map(|stream| stream.bps(now)).max().unwrap_or(0)
    }
}

/// The layer a new subscriber of a track is sent: the best one that is there.
pub(crate) fn first_layer(track: &Track) -> usize {
    track.layers.iter().rposition(|layer| layer.stream.is_some()).unwrap_or(0)
}

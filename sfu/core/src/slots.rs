//! Which track goes into which of a subscriber's receive slots.

use housecall_protocol::domain::TrackSource;
use str0m::media::MediaKind;

use crate::slab::Key;

/// A published track, by its owner and what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrackId {
    pub(crate) publisher: Key,
    pub(crate) source: TrackSource,
}

impl TrackId {
    pub(crate) const fn kind(self) -> MediaKind {
        kind_of(self.source)
    }
}

pub(crate) const fn kind_of(source: TrackSource) -> MediaKind {
    match source {
        TrackSource::Microphone => MediaKind::Audio,
        TrackSource::Camera | TrackSource::Screen => MediaKind::Video,
    }
}

/// Fills `slots` (kind of media, and what is carried) with the first of the `wanted`
/// tracks, most important first. What is carried already and still among those stays
/// where it is, since moving it costs a keyframe and a flicker. Whether all found room.
pub(crate) fn assign(slots: &mut [(MediaKind, Option<TrackId>)], wanted: &[TrackId]) -> bool {
    let fitting: Vec<_> = [MediaKind::Audio, MediaKind::Video]
        .into_iter()
        .flat_map(|kind| {
            let room = slots.iter().filter(|(slot, _)| *slot == kind).count();
            wanted.iter().copied().filter(move |track| track.kind() == kind).take(room)
        })
        .collect();
    fill(slots, &fitting);
    fitting.len() == wanted.len()
}

fn fill(slots: &mut [(MediaKind, Option<TrackId>)], wanted: &[TrackId]) {
    for (kind, carried) in slots.iter_mut() {
        if carried.is_some_and(|track| track.kind() != *kind || !wanted.contains(&track)) {
            *carried = None;
        }
    }
    for track in wanted {
        if slots.iter().any(|(_, carried)| *carried == Some(*track)) {
            continue;
        }
        let free =
            slots.iter_mut().find(|(kind, carried)| *kind == track.kind() && carried.is_none());
        if let Some((_, carried)) = free {
            *carried = Some(*track);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;

    #[test]
    fn carried_tracks_stay_and_new_ones_take_what_is_free() {
        let mut slab = Slab::new();
        let (a, b) = (slab.insert(()), slab.insert(()));
        let track = |publisher, source| TrackId { publisher, source };
        let camera_a = track(a, TrackSource::Camera);
        let camera_b = track(b, TrackSource::Camera);
        let voice_a = track(a, TrackSource::Microphone);
        let screen_b = track(b, TrackSource::Screen);
        let mut slots =
            [(MediaKind::Audio, None), (MediaKind::Video, None), (MediaKind::Video, None)];

        assert!(!assign(&mut slots, &[voice_a, camera_a, camera_b, screen_b]));
        assert_eq!(slots.map(|slot| slot.1), [Some(voice_a), Some(camera_a), Some(camera_b)]);

        assert!(assign(&mut slots, &[camera_b, screen_b]));
        assert_eq!(slots.map(|slot| slot.1), [None, Some(screen_b), Some(camera_b)]);

        // More important ones take the place of who comes later now.
        let voice_b = track(b, TrackSource::Microphone);
        assert!(!assign(&mut slots, &[voice_b, voice_a, camera_a, camera_b, screen_b]));
        assert_eq!(slots.map(|slot| slot.1), [Some(voice_b), Some(camera_a), Some(camera_b)]);
    }
}

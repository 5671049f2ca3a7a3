//! Tracks that should flow and do not, as far as the relay can know: said to be sent and
//! not arriving, arriving and not passed on, passed on and not received.
//!
//! What need not flow is not looked at: what its sender turned off or may not send, layers
//! that nobody watches, slots that are paused, links that are down. DTX still sends a
//! packet each 400 ms (RFC 7587 section 3.1.3 leaves it to the encoder; libopus does). Of
//! a client that is not heard at all, as a page that the system put to sleep, nothing is
//! said either: its link will tell.

use std::time::{Duration, Instant};

use housecall_protocol::cluster::SfuEvent;
use housecall_protocol::domain::TrackSource;
use housecall_protocol::ids::PersonId;
use housecall_protocol::media::MediaFault;
use str0m::media::MediaKind;

use crate::core::Core;
use crate::participant::{Link, Participant};
use crate::slab::Key;
use crate::track::{Content, Track};

/// Time between two looks at a participant's tracks and slots.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long a track must have stood still from one look to the next. A keyframe that is
/// lost twice takes no longer.
const PATIENCE: Duration = Duration::from_secs(4);
/// Reports of audio are up to five seconds apart (RFC 3550 section 6.2), and one is lost.
const REPORT_PATIENCE: Duration = Duration::from_secs(12);
/// A client that was not heard for this long may be asleep.
const ASLEEP: Duration = Duration::from_secs(6);
/// Fewer packets prove nothing: the first ones of a track, or of a pause.
const MIN_OFFERED: u32 = 3;
const MIN_SENT: u32 = 25;
const MIN_ANNOUNCED: u32 = 20;

/// When a participant is looked at again.
#[derive(Debug, Default)]
pub(crate) struct Patrol {
    next: Option<Instant>,
}

impl Patrol {
    /// The session is up.
    pub(crate) fn start(&mut self, now: Instant) {
        self.next = Some(now + INTERVAL);
    }

    pub(crate) const fn next(&self) -> Option<Instant> {
        self.next
    }

    fn take_due(&mut self, now: Instant) -> bool {
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.next = Some(now + INTERVAL);
        }
        due
    }
}

/// Whether something stands still, and whether that was said; `T` is what it is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Suspicion<T> {
    #[default]
    Fine,
    Since(Instant, T),
    Told(T),
}

impl<T: Copy + PartialEq> Suspicion<T> {
    /// `still`: what stands still now. Gives what to say, and whether it is over.
    fn judge(&mut self, now: Instant, still: Option<T>, patience: Duration) -> Option<(T, bool)> {
        match (*self, still) {
            (Self::Told(told), still) if still != Some(told) => {
                *self = still.map_or(Self::Fine, |still| Self::Since(now, still));
                Some((told, true))
            }
            (Self::Since(since, about), Some(still)) if about == still => {
                if now.saturating_duration_since(since) < patience {
                    return None;
                }
                *self = Self::Told(about);
                Some((about, false))
            }
            (Self::Told(_), _) => None,
            (Self::Fine | Self::Since(..), still) => {
                *self = still.map_or(Self::Fine, |still| Self::Since(now, still));
                None
            }
        }
    }
}

/// What is known of a track's way to the relay.
#[derive(Debug, Default)]
pub(crate) struct Arriving {
    /// Packets received in all its streams at the last look.
    received: u64,
    /// Packets that its sender reports named when one arrived last.
    announced: u32,
    /// Something arrived since it was turned on.
    flowed: bool,
    suspicion: Suspicion<()>,
}

impl Arriving {
    /// It was turned on: what came before counts no more.
    pub(crate) const fn turned_on(&mut self) {
        self.flowed = false;
    }
}

/// What is known of a slot's way to its receiver.
#[derive(Debug, Default)]
pub(crate) struct Passing {
    /// Packets that the slot's receiver should have been given since the last look, and
    /// those that they were.
    offered: u32,
    passed: u32,
    /// Packets sent in all when the receiver's reports moved last, and where they stood.
    sent: u32,
    highest: Option<u32>,
    forwarding: Suspicion<(PersonId, TrackSource)>,
    receiving: Suspicion<(PersonId, TrackSource)>,
}

impl Passing {
    pub(crate) const fn offer(&mut self) {
        self.offered = self.offered.saturating_add(1);
    }

    pub(crate) const fn pass(&mut self) {
        self.passed = self.passed.saturating_add(1);
    }
}

impl Core {
    /// Looks whether a participant's tracks and slots flow, when it is time to.
    pub(crate) fn look_for_stuck(&mut self, now: Instant, key: Key) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        if participant.session.rtc().is_none() || !participant.patrol.take_due(now) {
            return;
        }
        let (room, person) = (participant.room, participant.person);
        let mut found = Vec::new();
        if participant.is_judged(now) {
            participant.look_at_tracks(now, &mut found);
            self.look_at_slots(now, key, &mut found);
        }
        for (participant, source, fault, over) in found {
            let receiver = (fault != MediaFault::NotArriving).then_some(person);
            let event = SfuEvent::StuckMedia { participant, source, receiver, fault, over };
            self.emit(room, event);
        }
    }

    fn look_at_slots(&mut self, now: Instant, key: Key, found: &mut Vec<Found>) {
        for index in 0.. {
            let participant = self.participants.get(key);
            let Some(slot) = participant.and_then(|it| it.slots.get(index)) else { return };
            let carried = slot.carries.filter(|_| slot.open).and_then(|track| {
                let publisher = self.participants.get(track.publisher)?;
                publisher.sends(track.source).then_some((publisher.person, track.source))
            });
            if let Some(participant) = self.participants.get_mut(key) {
                participant.look_at_slot(now, index, carried, found);
            }
        }
    }
}

/// Whose track of which source, what is wrong, and whether that is over.
type Found = (PersonId, TrackSource, MediaFault, bool);

impl Participant {
    /// Whether anything can be said: a call is on, the link is up, and they are heard.
    fn is_judged(&self, now: Instant) -> bool {
        let heard = self.heard_at.is_some_and(|at| now.saturating_duration_since(at) < ASLEEP);
        self.forwarding && heard && matches!(self.link, Link::Up(_))
    }

    fn look_at_tracks(&mut self, now: Instant, found: &mut Vec<Found>) {
        for index in 0..self.tracks.len() {
            let track = &self.tracks[index];
            let due = self.said && self.offers(track) && self.sends(track.source);
            let track = &mut self.tracks[index];
            let still = track.stands_still(due && track.is_watched()).then_some(());
            if let Some(((), over)) = track.arriving.suspicion.judge(now, still, PATIENCE) {
                found.push((self.person, track.source, MediaFault::NotArriving, over));
            }
        }
    }

    fn look_at_slot(
        &mut self,
        now: Instant,
        index: usize,
        carried: Option<(PersonId, TrackSource)>,
        found: &mut Vec<Found>,
    ) {
        let reports = self.outbound.is_reported();
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Some(stream) = self.outbound.streams.get(index) else { return };
        let passing = &mut slot.passing;
        let (offered, passed) = (passing.offered, passing.passed);
        (passing.offered, passing.passed) = (0, 0);
        let withheld = offered >= MIN_OFFERED && passed == 0;
        let mut judge = |suspicion: &mut Suspicion<_>, still, patience, fault| {
            let still = carried.filter(|_| still);
            if let Some(((person, source), over)) = suspicion.judge(now, still, patience) {
                found.push((person, source, fault, over));
            }
        };
        judge(&mut passing.forwarding, withheld, PATIENCE, MediaFault::NotForwarded);

        let (sent, highest) = (stream.packets(), stream.highest());
        if passing.highest != highest || !reports {
            (passing.highest, passing.sent) = (highest, sent);
        }
        let unheard = sent.wrapping_sub(passing.sent) >= MIN_SENT;
        // What is paused in the middle of a silence is neither over nor worse.
        judge(&mut passing.receiving, unheard, REPORT_PATIENCE, MediaFault::NotReceived);
    }
}

impl Track {
    /// Whether somebody is to get it. Nobody asks for voices, so each is to come.
    fn is_watched(&self) -> bool {
        match &self.content {
            Content::Sound(_) => true,
            Content::Picture { dynacast, .. } => {
                let here = self.layers.iter().any(|layer| !layer.subscribers.is_empty());
                (here || self.relaying.layers() != 0) && dynacast.told() != 0
            }
        }
    }

    /// Whether nothing came since the last look though it was `due`.
    fn stands_still(&mut self, due: bool) -> bool {
        let streams = self.layers.iter().filter_map(|layer| layer.stream.as_ref());
        let (received, announced) = streams.fold((0_u64, 0_u32), |(received, announced), it| {
            (received + it.received(), announced.wrapping_add(it.announced()))
        });
        let arriving = &mut self.arriving;
        if std::mem::replace(&mut arriving.received, received) != received {
            (arriving.announced, arriving.flowed) = (announced, true);
            return false;
        }
        // A camera that the system took away sends nothing, and its device says so itself;
        // a picture is missed only if it was sent, or never came.
        let sent = announced.wrapping_sub(arriving.announced) >= MIN_ANNOUNCED;
        let voice = crate::slots::kind_of(self.source) == MediaKind::Audio;
        due && (sent || voice || !arriving.flowed)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_said_after_a_while_and_taken_back() {
        let start = Instant::now();
        let mut suspicion = Suspicion::default();
        let mut judge =
            |seconds, still| suspicion.judge(start + Duration::from_secs(seconds), still, PATIENCE);
        assert_eq!(judge(0, Some('a')), None);
        assert_eq!(judge(2, Some('a')), None);
        assert_eq!(judge(4, Some('a')), Some(('a', false)));
        assert_eq!(judge(6, Some('a')), None);
        assert_eq!(judge(8, Some('b')), Some(('a', true)), "it is about another one now");
        assert_eq!(judge(10, None), None);
        assert_eq!(judge(12, Some('b')), None, "from the beginning");
        assert_eq!(judge(16, Some('b')), Some(('b', false)));
        assert_eq!(judge(18, None), Some(('b', true)));
    }

    proptest! {
        /// What is said is taken back before it is said again, whatever happens.
        #[test]
        fn sayings_alternate(looks in prop::collection::vec((0..9_u64, 0..3_u8), 0..200)) {
            let mut now = Instant::now();
            let mut suspicion = Suspicion::default();
            let mut said = None;
            for (seconds, still) in looks {
                now += Duration::from_secs(seconds);
                let still = (still > 0).then_some(still);
                match suspicion.judge(now, still, PATIENCE) {
                    Some((about, false)) => prop_assert_eq!(said.replace(about), None),
                    Some((about, true)) => prop_assert_eq!(said.take(), Some(about)),
                    None => {}
                }
            }
        }
    }
}

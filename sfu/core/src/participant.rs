//! One participant: their peer connection, what they publish, what they receive.

use std::time::{Duration, Instant};

use housecall_protocol::domain::{MediaSlot, MediaState, TrackSource};
use housecall_protocol::ids::{CallId, PersonId};
use housecall_protocol::media::ParticipantRole;
use str0m::media::{MediaKind, Mid, Pt};
use str0m::rtp::Ssrc;
use str0m::{IceConnectionState, Rtc};

use crate::keyframe::KeyframeRequests;
use crate::quality::Meter;
use crate::rewrite::Rewriter;
use crate::slab::Key;
use crate::slots::TrackId;

pub(crate) struct Participant {
    pub(crate) room: CallId,
    pub(crate) person: PersonId,
    pub(crate) rtc: Rtc,
    pub(crate) joined_at: Instant,
    pub(crate) link: Link,
    /// What the participant may send, by m-line. At most one of each source.
    pub(crate) tracks: Vec<Track>,
    /// What the participant receives: their m-lines, in order.
    pub(crate) slots: Vec<Slot>,
    pub(crate) role: ParticipantRole,
    /// What the participant says to be sending; everything until they say so.
    pub(crate) says: MediaState,
    /// What the house lets them send.
    pub(crate) allowed: MediaState,
    /// What is passed on: what they say and may.
    pub(crate) media: MediaState,
    /// A copy of the room's, so that a packet needs no look-up of the room.
    pub(crate) forwarding: bool,
    /// A packet was forwarded to them.
    pub(crate) flowing: bool,
    /// Waits in the core's list of instances to drain.
    pub(crate) touched: bool,
    /// The slots as last announced.
    pub(crate) announced: Vec<MediaSlot>,
    /// Audio and video slots last asked for; `None` when there are enough.
    pub(crate) slots_asked: Option<(u8, u8)>,
    pub(crate) quality: Meter,
}

/// Something the participant publishes.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) mid: Mid,
    pub(crate) source: TrackSource,
    /// The m-line's direction lets the participant send.
    pub(crate) published: bool,
    /// Learnt with the first packet; changes when the publisher restarts the track.
    pub(crate) ssrc: Option<Ssrc>,
    pub(crate) keyframes: KeyframeRequests,
    /// Whose slots carry it.
    pub(crate) subscribers: Vec<Subscriber>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscriber {
    pub(crate) participant: Key,
    pub(crate) slot: usize,
}

/// A place in which the participant can receive one track: one m-line, one SSRC.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) mid: Mid,
    pub(crate) kind: MediaKind,
    /// The m-line lets us send. A closed slot is kept, since its SSRC and numbers
    /// go on when it opens again.
    pub(crate) open: bool,
    pub(crate) ssrc: Option<Ssrc>,
    pub(crate) carries: Option<TrackId>,
    /// The participant does not show it: nothing is sent.
    pub(crate) off_screen: bool,
    pub(crate) rewriter: Rewriter,
    /// The payload type of the source that was translated last, and ours for it
    /// (`None` when the receiver did not negotiate the codec).
    pub(crate) payload_type: Option<(Pt, Option<Pt>)>,
}

/// State of the peer connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Link {
    /// ICE and DTLS are on their way.
    Connecting {
        ice_ms: Option<u32>,
        deadline: Instant,
    },
    Up(Timings),
    /// ICE restarts; media goes on over the old path.
    Restarting {
        timings: Timings,
        deadline: Instant,
    },
    /// Consent was lost.
    Down {
        timings: Timings,
        deadline: Instant,
    },
}

/// Milliseconds from the join.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timings {
    pub(crate) ice_ms: u32,
    pub(crate) dtls_ms: u32,
}

/// What a change of the link means to others.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LinkChange {
    Connected(Timings),
    Disconnected,
}

impl Link {
    /// Whether media can be sent.
    pub(crate) const fn carries_media(&self) -> bool {
        matches!(self, Self::Up(_) | Self::Restarting { .. })
    }

    /// When the participant is given up unless the link gets better.
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Up(_) => None,
            Self::Connecting { deadline, .. }
            | Self::Restarting { deadline, .. }
            | Self::Down { deadline, .. } => Some(*deadline),
        }
    }

    /// ICE changed. `deadline` is the one to set when the change is for the worse.
    pub(crate) fn ice_changed(
        &mut self,
        state: IceConnectionState,
        elapsed: Duration,
        patience_ends: Instant,
    ) -> Option<LinkChange> {
        match (*self, state.is_connected(), state.is_disconnected()) {
            (Self::Connecting { ice_ms: None, deadline }, true, _) => {
                *self = Self::Connecting { ice_ms: Some(milliseconds(elapsed)), deadline };
                None
            }
            (Self::Restarting { timings, .. }, true, _) => {
                *self = Self::Up(timings);
                None
            }
            (Self::Down { timings, .. }, true, _) => {
                *self = Self::Up(timings);
                Some(LinkChange::Connected(timings))
            }
            (Self::Up(timings) | Self::Restarting { timings, .. }, _, true) => {
                *self = Self::Down { timings, deadline: patience_ends };
                Some(LinkChange::Disconnected)
            }
            (Self::Up(timings), false, false) => {
                *self = Self::Restarting { timings, deadline: patience_ends };
                None
            }
            (Self::Connecting { .. } | Self::Up(_) | Self::Restarting { .. }, _, _)
            | (Self::Down { .. }, false, _) => None,
        }
    }

    /// DTLS is up, and ICE with it.
    pub(crate) fn dtls_connected(&mut self, elapsed: Duration) -> Option<LinkChange> {
        let Self::Connecting { ice_ms, .. } = *self else { return None };
        let dtls_ms = milliseconds(elapsed);
        let timings = Timings { ice_ms: ice_ms.unwrap_or(dtls_ms), dtls_ms };
        *self = Self::Up(timings);
        Some(LinkChange::Connected(timings))
    }
}

impl Slot {
    pub(crate) fn empty(&mut self) {
        self.carries = None;
        self.rewriter.restart();
    }
}

impl Participant {
    /// Whether a track is there for others: sent by the m-line, and for a screen,
    /// shared at the moment. A muted microphone or camera keeps its slot.
    pub(crate) fn offers(&self, track: &Track) -> bool {
        self.role.may_send()
            && track.published
            && (track.source != TrackSource::Screen || self.media.screen)
    }

    /// Tracks whose m-lines let the participant send.
    pub(crate) fn published(&self) -> usize {
        self.tracks.iter().filter(|track| track.published).count()
    }

    pub(crate) const fn sends(&self, source: TrackSource) -> bool {
        match source {
            TrackSource::Microphone => self.media.microphone,
            TrackSource::Camera => self.media.camera,
            TrackSource::Screen => self.media.screen,
        }
    }

    pub(crate) fn track_mut(&mut self, source: TrackSource) -> Option<&mut Track> {
        self.tracks.iter_mut().find(|track| track.source == source)
    }

    /// The track a packet belongs to.
    pub(crate) fn track_of(&mut self, ssrc: Ssrc) -> Option<usize> {
        if let Some(index) = self.tracks.iter().position(|track| track.ssrc == Some(ssrc)) {
            return Some(index);
        }
        let mid = self.rtc.direct_api().stream_rx(&ssrc)?.mid();
        let index = self.tracks.iter().position(|track| track.mid == mid)?;
        self.tracks[index].ssrc = Some(ssrc);
        Some(index)
    }

    /// Sends the keyframe requests that are due. Whether any was.
    pub(crate) fn request_due_keyframes(&mut self, now: Instant) -> bool {
        let mut any = false;
        for track in &mut self.tracks {
            if !track.keyframes.take_due(now) {
                continue;
            }
            if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(track.mid, None) {
                stream.request_keyframe(str0m::media::KeyframeRequestKind::Pli);
                any = true;
            }
        }
        any
    }

    /// When this participant needs attention for reasons of ours, not of str0m's.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let keyframes = self.tracks.iter().filter_map(|track| track.keyframes.next()).min();
        [self.link.deadline(), keyframes].into_iter().flatten().min()
    }
}

fn milliseconds(elapsed: Duration) -> u32 {
    u32::try_from(elapsed.as_millis()).unwrap_or(u32::MAX)
}

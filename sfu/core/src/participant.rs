//! One participant: their peer connection, what they publish, what they receive.

use std::time::{Duration, Instant};

use housecall_protocol::domain::{MediaSlot, MediaState, TrackSource};
use housecall_protocol::ids::{CallId, PersonId};
use housecall_protocol::media::ParticipantRole;
use str0m::media::{MediaKind, Mid, Rid};
use str0m::{IceConnectionState, Rtc};

use crate::codec::FrameReader;
use crate::flow::Flow;
use crate::inbound::{Inbound, Source, Stream};
use crate::keyframe::KeyframeRequests;
use crate::keys::CapturedKeys;
use crate::outbound::Outbound;
use crate::quality::Meter;
use crate::reports::ReportTimer;
use crate::rewrite::Rewriter;
use crate::slab::Key;
use crate::slots::TrackId;

pub(crate) struct Participant {
    pub(crate) room: CallId,
    pub(crate) person: PersonId,
    /// ICE, DTLS and the session description. Media does not pass through it.
    pub(crate) rtc: Box<Rtc>,
    /// When `rtc` wants to be called.
    pub(crate) rtc_due: Option<Instant>,
    /// When anything of this participant is due, except for waiting packets.
    pub(crate) due: Option<Instant>,
    pub(crate) keys: CapturedKeys,
    pub(crate) joined_at: Instant,
    pub(crate) link: Link,
    /// The path that the client nominated for what we send, and since when.
    pub(crate) flow: Option<Flow>,
    pub(crate) nominated_at: Option<Instant>,
    /// When anything authentic came by that path last.
    pub(crate) heard_at: Option<Instant>,
    /// Another path that the client nominated, but has sent no media by.
    pub(crate) proposed: Option<Flow>,
    pub(crate) inbound: Inbound,
    /// Its streams correspond to `slots`.
    pub(crate) outbound: Outbound,
    pub(crate) reports: ReportTimer,
    /// When `allocate` looked at them last.
    pub(crate) allocated_at: Option<Instant>,
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
    /// Lowest quality first; one without simulcast.
    pub(crate) layers: Vec<Layer>,
}

/// One encoding of a track: a stream of its own.
#[derive(Debug)]
pub(crate) struct Layer {
    /// Its name in the session description; `None` without simulcast.
    pub(crate) rid: Option<Rid>,
    /// Known with the first packet; another one when the publisher restarts the track.
    pub(crate) stream: Option<Stream>,
    /// Reads video of that stream.
    pub(crate) reader: Option<FrameReader>,
    pub(crate) keyframes: KeyframeRequests,
    /// Whose slots are sent it, or wait for its next keyframe.
    pub(crate) subscribers: Vec<Subscriber>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Payload types the m-line may be sent in.
    pub(crate) payload_types: Vec<u8>,
    pub(crate) carries: Option<TrackId>,
    /// The layer that should be sent: index in the track's layers.
    pub(crate) target: Option<usize>,
    /// The layer that is sent. It changes to `target` with a keyframe.
    pub(crate) current: Option<usize>,
    /// The participant does not show it: nothing is sent.
    pub(crate) off_screen: bool,
    pub(crate) rewriter: Rewriter,
    /// The payload type of the source that was translated last, and ours for it
    /// (`None` when the receiver did not negotiate the codec).
    pub(crate) translated: Option<(u8, Option<u8>)>,
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
        self.restart();
    }

    /// What comes next begins anew, with a keyframe if it is video.
    pub(crate) fn restart(&mut self) {
        self.current = None;
        self.rewriter.restart();
    }

    /// Whether a packet of a layer is to be sent. `starts`: a decoder may begin with it.
    pub(crate) fn admits(&mut self, layer: usize, starts: bool) -> bool {
        if self.current != Some(layer) {
            if self.target != Some(layer) || !starts {
                return false;
            }
            self.current = Some(layer);
        }
        true
    }

    /// Whether packets of a layer have to reach the slot.
    pub(crate) fn follows(&self, layer: usize) -> bool {
        self.target == Some(layer) || self.current == Some(layer)
    }
}

impl Layer {
    pub(crate) fn new(rid: Option<Rid>) -> Self {
        Self {
            rid,
            stream: None,
            reader: None,
            keyframes: KeyframeRequests::default(),
            subscribers: Vec::new(),
        }
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

    pub(crate) fn layer_mut(&mut self, source: Source) -> Option<&mut Layer> {
        self.tracks.get_mut(source.track)?.layers.get_mut(source.layer)
    }

    /// Sees to it that something is done by then.
    pub(crate) fn need_by(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// When anything but waiting packets is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let layers = self.tracks.iter().flat_map(|track| &track.layers);
        let media = layers
            .flat_map(|layer| {
                let nack = layer.stream.as_ref().and_then(Stream::next_nack);
                [layer.keyframes.next(), nack]
            })
            .flatten()
            .min();
        [
            self.rtc_due,
            self.link.deadline(),
            media,
            self.inbound.arrivals.next_report(),
            self.reports.next(),
            self.quality.next(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

fn milliseconds(elapsed: Duration) -> u32 {
    u32::try_from(elapsed.as_millis()).unwrap_or(u32::MAX)
}

//! One participant: their peer connection, what they publish, what they receive.

use std::time::{Duration, Instant};

use housecall_protocol::domain::{MediaSlot, MediaState, TrackSource};
use housecall_protocol::ids::{CallId, PersonId};
use housecall_protocol::media::ParticipantRole;
use str0m::{IceConnectionState, Rtc};

use crate::allocate::Steering;
use crate::flow::Flow;
use crate::inbound::{Inbound, Source, Stream};
use crate::keys::CapturedKeys;
use crate::outbound::Outbound;
use crate::quality::Meter;
use crate::relay::RelayId;
use crate::reports::ReportTimer;
use crate::slot::Slot;
use crate::stuck::Patrol;
use crate::track::{Content, Layer, Track};
use crate::voices::Voice;

pub(crate) struct Participant {
    pub(crate) room: CallId,
    pub(crate) person: PersonId,
    pub(crate) session: Session,
    /// When the session's `Rtc` wants to be called.
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
    /// Which layers they get.
    pub(crate) steering: Steering,
    /// When the room's voices are to be looked at again because of theirs.
    pub(crate) voice_due: Option<Instant>,
    /// What the participant may send, by m-line. At most one of each source.
    pub(crate) tracks: Vec<Track>,
    /// Which layers of the tracks are watched may have changed.
    pub(crate) watched_changed: bool,
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
    /// There are more tracks than slots of some kind.
    pub(crate) is_short: bool,
    /// Audio and video slots last asked for; `None` when there are enough.
    pub(crate) slots_asked: Option<(u8, u8)>,
    pub(crate) quality: Meter,
    pub(crate) patrol: Patrol,
    /// They said what they send.
    pub(crate) said: bool,
}

/// Where the participant's peer connection ends.
pub(crate) enum Session {
    /// Here: ICE, DTLS and the session description. Media does not pass through it.
    Own(Box<Rtc>),
    /// At another core, which tells us what they publish. They receive nothing here.
    Relayed(RelayId),
}

impl Session {
    pub(crate) const fn rtc(&self) -> Option<&Rtc> {
        match self {
            Self::Own(rtc) => Some(rtc),
            Self::Relayed(_) => None,
        }
    }

    pub(crate) const fn rtc_mut(&mut self) -> Option<&mut Rtc> {
        match self {
            Self::Own(rtc) => Some(rtc),
            Self::Relayed(_) => None,
        }
    }

    /// The core that relays them to us.
    pub(crate) const fn relay(&self) -> Option<RelayId> {
        match self {
            Self::Own(_) => None,
            Self::Relayed(relay) => Some(*relay),
        }
    }
}

/// State of the peer connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Link {
    /// It is another core's.
    Elsewhere,
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
            Self::Up(_) | Self::Elsewhere => None,
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
            (
                Self::Connecting { .. } | Self::Up(_) | Self::Restarting { .. } | Self::Elsewhere,
                _,
                _,
            )
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

    pub(crate) fn microphone(&self) -> Option<&Voice> {
        self.tracks.iter().find_map(|track| match &track.content {
            Content::Sound(voice) if self.offers(track) => Some(voice),
            Content::Sound(_) | Content::Picture { .. } => None,
        })
    }

    pub(crate) fn microphone_mut(&mut self) -> Option<&mut Voice> {
        self.tracks.iter_mut().find_map(Track::voice_mut)
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
        let switched_off = self.tracks.iter().filter_map(|track| match &track.content {
            Content::Picture { dynacast, .. } => dynacast.next_timeout(),
            Content::Sound(_) => None,
        });
        [
            self.rtc_due,
            self.link.deadline(),
            media,
            switched_off.min(),
            self.steering.next(),
            self.inbound.arrivals.next_report(),
            self.reports.next(),
            self.quality.next(),
            self.patrol.next(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

fn milliseconds(elapsed: Duration) -> u32 {
    u32::try_from(elapsed.as_millis()).unwrap_or(u32::MAX)
}

//! One participant: which of their connections is in the call, and how their media is.

use std::collections::BTreeMap;
use std::time::Instant;

use housecall_protocol::ConnectionId;
use housecall_protocol::domain::{CallParty, MediaSlot, MediaState, TrackSource};

use super::allowance::Allowance;
use super::levels::Levels;

/// Where a participant is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signaling {
    /// No connection of theirs has taken part yet.
    Unseen,
    Here(ConnectionId),
    Away {
        since: Instant,
    },
}

/// The participant's session with the relay, and the connection that negotiated it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Absent,
    Joining { by: ConnectionId, since: Instant },
    Up { by: ConnectionId },
    Down { by: ConnectionId, since: Instant },
}

impl Link {
    pub(super) const fn held_by(self) -> Option<ConnectionId> {
        match self {
            Self::Absent => None,
            Self::Joining { by, .. } | Self::Up { by } | Self::Down { by, .. } => Some(by),
        }
    }

    pub(super) const fn is_up(self) -> bool {
        matches!(self, Self::Up { .. })
    }

    pub(super) const fn down_since(self, joining_counts: bool) -> Option<Instant> {
        match self {
            Self::Down { since, .. } => Some(since),
            Self::Joining { since, .. } if joining_counts => Some(since),
            Self::Absent | Self::Up { .. } | Self::Joining { .. } => None,
        }
    }

    pub(super) const fn up(&mut self) {
        if let Some(by) = self.held_by() {
            *self = Self::Up { by };
        }
    }

    /// An earlier loss keeps its time.
    pub(super) const fn down(&mut self, now: Instant) {
        if let Self::Up { by } | Self::Joining { by, .. } = *self {
            *self = Self::Down { by, since: now };
        }
    }

    /// The same peer connection, now negotiated over another WebSocket.
    pub(super) const fn pass_to(&mut self, connection: ConnectionId) {
        match self {
            Self::Absent => {}
            Self::Joining { by, .. } | Self::Up { by } | Self::Down { by, .. } => *by = connection,
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Party {
    /// Name and kind; its media and reconnecting fields are filled in by [`Self::view`].
    pub(crate) who: CallParty,
    /// What they say to be sending.
    pub(super) media: MediaState,
    /// What the house lets them send.
    pub(super) allowed: MediaState,
    pub(super) signaling: Signaling,
    pub(super) link: Link,
    /// The certificate of their present peer connection, as its offer names it.
    fingerprint: Option<String>,
    /// Their present peer connection leads to a relay that the room has left.
    pub(super) moving: bool,
    /// The relay has forwarded media to this participant's present session.
    pub(super) flowing: bool,
    /// The relay's last word on their receive slots.
    pub(super) slots: Option<Vec<MediaSlot>>,
    /// Audio and video m-lines that the relay last asked for.
    pub(super) lines_needed: Option<(u8, u8)>,
    /// The relay's last word on which layers of theirs are watched.
    pub(super) layers: BTreeMap<TrackSource, Vec<String>>,
    pub(super) levels: Levels,
    pub(super) allowance: Allowance,
}

impl Party {
    pub(crate) fn new(who: CallParty) -> Self {
        let sends = who.role.may_send();
        Self {
            media: who.media,
            allowed: if sends { MediaState::ALL } else { MediaState::default() },
            who,
            signaling: Signaling::Unseen,
            link: Link::Absent,
            fingerprint: None,
            moving: false,
            flowing: false,
            slots: None,
            lines_needed: None,
            layers: BTreeMap::new(),
            levels: Levels::default(),
            allowance: Allowance::default(),
        }
    }

    pub(super) fn view(&self, joined: bool) -> CallParty {
        let away = matches!(self.signaling, Signaling::Away { .. });
        let down = self.link.down_since(false).is_some();
        CallParty {
            media: self.sends(),
            allowed: self.allowed,
            reconnecting: joined && (away || down),
            ..self.who.clone()
        }
    }

    /// What of theirs is passed on.
    pub(super) const fn sends(&self) -> MediaState {
        self.media.and(self.allowed)
    }

    /// Any request shows that the person is there again.
    pub(super) const fn heard_from(&mut self, connection: ConnectionId) {
        if let Signaling::Away { .. } = self.signaling {
            self.signaling = Signaling::Here(connection);
        }
    }

    /// A new connection of this person. It takes over from the one it continues,
    /// or when there is none; another device changes nothing.
    pub(super) fn connected(&mut self, connection: ConnectionId, previous: Option<ConnectionId>) {
        let takes_over = match self.signaling {
            Signaling::Unseen => false,
            Signaling::Away { .. } => true,
            Signaling::Here(current) => previous == Some(current),
        };
        if takes_over {
            self.signaling = Signaling::Here(connection);
        }
        if previous.is_some() && self.link.held_by() == previous {
            self.link.pass_to(connection);
        }
    }

    pub(super) fn disconnected(&mut self, connection: ConnectionId, now: Instant) {
        if self.signaling == Signaling::Here(connection) {
            self.signaling = Signaling::Away { since: now };
        }
    }

    /// Whether another connected device of theirs has the media session.
    pub(super) fn holds_media_elsewhere(&self, connection: ConnectionId) -> bool {
        match (self.signaling, self.link.held_by()) {
            (Signaling::Here(here), Some(holder)) => here == holder && here != connection,
            _ => false,
        }
    }

    /// Whether the offer is of another peer connection than the one in the room: a
    /// new certificate is a new DTLS association (RFC 8842, section 4).
    pub(super) fn is_fresh(&self, sdp: &str) -> bool {
        self.link == Link::Absent || fingerprint(sdp) != self.fingerprint.as_deref()
    }

    /// Returns whether an earlier session must leave first.
    pub(super) fn start_joining(
        &mut self,
        connection: ConnectionId,
        sdp: &str,
        now: Instant,
    ) -> bool {
        let again = self.link != Link::Absent;
        self.fingerprint = fingerprint(sdp).map(str::to_owned);
        self.link = Link::Joining { by: connection, since: now };
        self.signaling = Signaling::Here(connection);
        self.moving = false;
        self.flowing = false;
        self.slots = None;
        self.lines_needed = None;
        self.layers.clear();
        again
    }

    pub(super) fn join_failed(&mut self, connection: ConnectionId, now: Instant) {
        match self.link {
            Link::Joining { by, .. } if by == connection => {
                self.link = Link::Down { by, since: now };
            }
            _ => {}
        }
    }
}

fn fingerprint(sdp: &str) -> Option<&str> {
    sdp.lines().find_map(|line| line.strip_prefix("a=fingerprint:")).map(str::trim)
}

//! One room over several cores: what they tell each other of it.
//!
//! Each participant's session is at one core. The others hold them as publishers without a
//! session ([`crate::participant::Session::Relayed`]) and forward what they send like
//! anybody's: slots, layers, pauses and voices know no difference. A packet crosses once to
//! each core where somebody has a slot for its track, however many watch it there; wishes
//! for layers and keyframes go the other way. Who speaks is told by the room's home alone,
//! that is the core where it began.
//!
//! ```text
//! link_room        -> Hello { roster }        <- Roster { roster }
//! join, mute       -> Published { publisher }
//! slots, tiles     <- Wished { wish }         -> LayersOn (what the publisher was told)
//! decoders         <- KeyframeWanted
//! media            -> Packet
//! a bug            <- Failed
//! ```
//!
//! How messages travel is the shell's matter. It keeps their order, may lose packets, and
//! must say so when it lost anything else ([`crate::Core::repeat_to`]). What is told is
//! state, not change, so saying it twice does no harm.

mod hearing;
mod telling;

use std::time::Duration;

use housecall_protocol::domain::{MediaState, TrackSource};
use housecall_protocol::ids::{CallId, PersonId};
use str0m::media::{Mid, Rid};

use crate::formats::Format;
use crate::packet::Packet;

/// Names another core that shares rooms with this one. The shell gives the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RelayId(pub usize);

/// What one core tells another of a room.
#[derive(Clone, Debug)]
pub struct RelayMessage {
    pub(crate) room: CallId,
    pub(crate) body: Body,
}

impl RelayMessage {
    /// Whether it is a packet, which may be lost as on any network.
    pub const fn is_media(&self) -> bool {
        matches!(self.body, Body::Packet { .. })
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// The room is here, too; the answer is a `Roster`.
    Hello {
        roster: Roster,
    },
    /// Who publishes here. Whoever is not in it has left.
    Roster {
        roster: Roster,
    },
    /// Somebody publishes here, or does it differently.
    Published {
        publisher: Publisher,
    },
    Left {
        person: PersonId,
    },
    /// The home's gate.
    Forwarding {
        forwarding: bool,
    },
    /// The room is not here any more.
    Bye,
    /// What is wanted of a track.
    Wished {
        person: PersonId,
        source: TrackSource,
        wish: Wish,
    },
    KeyframeWanted {
        person: PersonId,
        source: TrackSource,
        layer: usize,
    },
    /// Which spatial layers the publisher was told to send, a bit for each.
    LayersOn {
        person: PersonId,
        source: TrackSource,
        layers: u8,
    },
    Packet {
        person: PersonId,
        packet: RelayedPacket,
    },
    /// A bug was found here over somebody who joined there; their session is to end.
    Failed {
        person: PersonId,
    },
}

/// Whom a message concerns, and so who ends when a bug is found by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    Participant(PersonId),
    Room,
}

impl Body {
    pub(crate) const fn about(&self) -> About {
        match self {
            Self::Hello { .. } | Self::Roster { .. } | Self::Forwarding { .. } | Self::Bye => {
                About::Room
            }
            Self::Published { publisher: Publisher { person, .. } }
            | Self::Left { person }
            | Self::Wished { person, .. }
            | Self::KeyframeWanted { person, .. }
            | Self::LayersOn { person, .. }
            | Self::Packet { person, .. }
            | Self::Failed { person } => About::Participant(*person),
        }
    }
}

/// What a core holds of a room.
#[derive(Clone, Debug)]
pub(crate) struct Roster {
    pub(crate) publishers: Vec<Publisher>,
    /// Of the home alone.
    pub(crate) forwarding: Option<bool>,
}

/// A participant who may send.
#[derive(Clone, Debug)]
pub(crate) struct Publisher {
    pub(crate) person: PersonId,
    /// How long ago they joined: clocks may differ.
    pub(crate) age: Duration,
    pub(crate) media: MediaState,
    pub(crate) tracks: Vec<PublishedTrack>,
}

#[derive(Clone, Debug)]
pub(crate) struct PublishedTrack {
    pub(crate) source: TrackSource,
    pub(crate) mid: Mid,
    pub(crate) published: bool,
    /// Names of its simulcast layers, or one without a name.
    pub(crate) rids: Vec<Option<Rid>>,
    /// Spatial layers that the publisher was told to send, a bit for each.
    pub(crate) on: u8,
}

/// What a core wants of another's track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Somebody has a slot for it: its packets shall come.
    pub(crate) carried: bool,
    /// Spatial layers that somebody gets or is to get, a bit for each.
    pub(crate) layers: u8,
}

/// An opened packet of a publisher, not yet read.
#[derive(Clone, Debug)]
pub(crate) struct RelayedPacket {
    pub(crate) source: TrackSource,
    pub(crate) layer: usize,
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) redundant: bool,
    pub(crate) format: Format,
    pub(crate) packet: Packet,
}

/// What a track's cores have said to each other of it.
#[derive(Debug, Default)]
pub(crate) struct Relaying {
    /// Of our participant's track: what others want of it.
    pub(crate) wishes: Vec<(RelayId, Wish)>,
    /// Of another core's: somebody here has a slot for it.
    pub(crate) carried: bool,
    /// Of another core's: what it was told that we want.
    pub(crate) told: Option<Wish>,
}

impl Relaying {
    /// Notes what another core wants.
    pub(crate) fn note(&mut self, relay: RelayId, wish: Wish) {
        self.forget(relay);
        if wish.carried {
            self.wishes.push((relay, wish));
        }
    }

    pub(crate) fn forget(&mut self, relay: RelayId) {
        self.wishes.retain(|(known, _)| *known != relay);
    }

    /// Spatial layers that other cores want.
    pub(crate) fn layers(&self) -> u8 {
        self.wishes.iter().fold(0, |layers, (_, wish)| layers | wish.layers)
    }
}

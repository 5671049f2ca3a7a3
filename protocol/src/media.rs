//! The words for media in a call: what is shown how large, who speaks, who may
//! send what, how it fares and what is wrong with it.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::domain::TrackSource;
use crate::ids::PersonId;

/// What a participant is to the others.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema,
)]
#[ts(export, export_to = "realtime.ts")]
#[serde(rename_all = "snake_case")]
pub enum ParticipantRole {
    /// Sends and receives.
    #[default]
    Member,
    /// Receives only; the others see that they are there.
    Listener,
    /// Receives only; the others are not shown that they are there. Supervisors alone.
    Hidden,
}

impl ParticipantRole {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Listener => "listener",
            Self::Hidden => "hidden",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Member, Self::Listener, Self::Hidden].into_iter().find(|one| one.as_str() == text)
    }

    /// Whether the relay passes on what they send.
    pub const fn may_send(self) -> bool {
        matches!(self, Self::Member)
    }
}

/// What a stream link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamDirection {
    /// Into the room, by WHIP (RFC 9725).
    Publish,
    /// Out of the room, by WHEP.
    Play,
}

impl StreamDirection {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Play => "play",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Publish, Self::Play].into_iter().find(|one| one.as_str() == text)
    }

    /// Where the protocol of this direction lives on the public listener.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Publish => "/whip/v1",
            Self::Play => "/whep/v1",
        }
    }
}

/// How large a receive slot is shown, in device pixels. 0 x 0 is off the screen: the
/// relay pauses it. A slot that was never named counts as large.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "realtime.ts")]
#[serde(deny_unknown_fields)]
pub struct Tile {
    /// The m-line's `a=mid`.
    pub mid: String,
    pub width: u16,
    pub height: u16,
}

/// Somebody who speaks now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "realtime.ts")]
pub struct Speaker {
    pub person: PersonId,
    /// Loudness, 0 (silence) to 127: 127 less the level of RFC 6464.
    pub level: u8,
}

/// Why a receive slot that carries a track is not sent at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
#[serde(rename_all = "snake_case")]
pub enum SlotPause {
    /// The receiver said that it is not on the screen.
    OffScreen,
    /// The receiver's network has no room for it.
    Bandwidth,
}

/// What is wrong with a track that should flow, named by who can know it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, ToSchema,
)]
#[ts(export, export_to = "realtime.ts")]
#[serde(rename_all = "snake_case")]
pub enum MediaFault {
    /// The sender says it is on, but the relay gets no packet of it.
    NotArriving,
    /// It arrives at the relay, which cannot pass it on to this receiver.
    NotForwarded,
    /// The receiver's slot carries it, but no packet reaches the receiver.
    NotReceived,
    /// Packets reach the receiver, which cannot decode them.
    NotDecoded,
    /// The sender's own device delivers nothing: muted by the system, or unplugged.
    NoSignal,
}

impl MediaFault {
    pub const ALL: [Self; 5] = [
        Self::NotArriving,
        Self::NotForwarded,
        Self::NotReceived,
        Self::NotDecoded,
        Self::NoSignal,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotArriving => "not_arriving",
            Self::NotForwarded => "not_forwarded",
            Self::NotReceived => "not_received",
            Self::NotDecoded => "not_decoded",
            Self::NoSignal => "no_signal",
        }
    }
}

/// A fault of one track as a client sees it; the reporter is the receiver, or for
/// [`MediaFault::NoSignal`] the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "realtime.ts")]
#[serde(deny_unknown_fields)]
pub struct TrackFault {
    /// Whose track.
    pub person: PersonId,
    pub source: TrackSource,
    pub fault: MediaFault,
}

/// How a participant's media travels to the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
#[serde(rename_all = "snake_case")]
pub enum MediaPath {
    Udp,
    Tcp,
    TurnUdp,
    TurnTcp,
    TurnTls,
}

impl MediaPath {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::TurnUdp => "turn_udp",
            Self::TurnTcp => "turn_tcp",
            Self::TurnTls => "turn_tls",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Udp, Self::Tcp, Self::TurnUdp, Self::TurnTcp, Self::TurnTls]
            .into_iter()
            .find(|one| one.as_str() == text)
    }
}

/// Seen from the participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// They send it.
    Up,
    /// They receive it.
    Down,
}

/// One track of a participant since the last report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "realtime.ts")]
#[serde(deny_unknown_fields)]
pub struct TrackQuality {
    pub source: TrackSource,
    pub direction: Direction,
    /// Of [`Direction::Down`]: whose track it is.
    #[serde(default)]
    pub person: Option<PersonId>,
    /// Share of packets lost, 0 to 1.
    pub loss: f32,
    #[serde(default)]
    pub jitter_ms: Option<f32>,
    #[ts(type = "number")]
    pub bitrate_bps: u64,
    /// Decoded (or, up, sent) frames per second, where the reporter can know.
    #[serde(default)]
    pub frames_per_second: Option<f32>,
    #[serde(default)]
    pub freezes: Option<u32>,
}

//! Why a connection is closed.

use std::time::Duration;

use housecall_protocol::client::close;

use crate::websocket::Outgoing;

/// A close as the client is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    pub(crate) reason: CloseReason,
    /// How long the client should stay away.
    pub(crate) retry: Option<Duration>,
}

impl From<CloseReason> for Closing {
    fn from(reason: CloseReason) -> Self {
        Self { reason, retry: None }
    }
}

impl Closing {
    /// The close frame, unless there is nobody left to read it.
    pub(crate) fn frame(self) -> Option<Outgoing> {
        let code = self.reason.code()?;
        let retry_ms = self.retry.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        Some(Outgoing::Close { code, reason: close::reason(self.reason.as_str(), retry_ms) })
    }
}

/// Why the gateway ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    BadHello,
    Unauthenticated,
    SessionRevoked,
    ProtocolVersion,
    SlowConsumer,
    /// Two pings were not answered.
    Silent,
    RateLimited,
    Draining,
    Replaced,
    /// A frame longer than the bound, or not WebSocket at all.
    Unreadable,
    /// The identity or the database could not be asked.
    Unavailable,
    /// More clients say hello than can be served soon.
    Overloaded,
    /// More connections of one person than they may have.
    TooMany,
    /// The client left.
    PeerGone,
}

impl CloseReason {
    /// The close code, unless there is nobody left to read it.
    pub(crate) const fn code(self) -> Option<u16> {
        Some(match self {
            Self::BadHello => close::BAD_HELLO,
            Self::Unauthenticated => close::UNAUTHENTICATED,
            Self::SessionRevoked => close::SESSION_REVOKED,
            Self::ProtocolVersion => close::PROTOCOL_VERSION,
            Self::SlowConsumer | Self::Silent => close::SLOW_CONSUMER,
            Self::RateLimited | Self::TooMany => close::RATE_LIMITED,
            Self::Draining => close::DRAINING,
            Self::Replaced => close::REPLACED,
            Self::Unreadable => close::UNREADABLE,
            Self::Unavailable | Self::Overloaded => close::TRY_AGAIN_LATER,
            Self::PeerGone => return None,
        })
    }

    /// Whether the client may be expected to take what is queued for it.
    pub(crate) const fn still_reads(self) -> bool {
        !matches!(self, Self::SlowConsumer | Self::Silent | Self::PeerGone | Self::Unreadable)
    }

    /// For metrics and for the developer who reads the close frame.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::BadHello => "bad_hello",
            Self::Unauthenticated => "unauthenticated",
            Self::SessionRevoked => "session_revoked",
            Self::ProtocolVersion => "protocol_version",
            Self::SlowConsumer => "slow_consumer",
            Self::Silent => "silent",
            Self::RateLimited => "rate_limited",
            Self::Draining => "draining",
            Self::Replaced => "replaced",
            Self::Unreadable => "unreadable",
            Self::Unavailable => "unavailable",
            Self::Overloaded => "overloaded",
            Self::TooMany => "too_many_connections",
            Self::PeerGone => "peer_gone",
        }
    }
}

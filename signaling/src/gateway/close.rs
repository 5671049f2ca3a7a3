//! Why a connection is closed, and the signal that closes it.

use std::sync::OnceLock;

use housecall_protocol::client::close;
use tokio_util::sync::CancellationToken;

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
            Self::Unavailable => close::TRY_AGAIN_LATER,
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
            Self::TooMany => "too_many_connections",
            Self::PeerGone => "peer_gone",
        }
    }
}

/// Closes once; the first reason stands.
#[derive(Default)]
pub(crate) struct Closer {
    reason: OnceLock<CloseReason>,
    token: CancellationToken,
}

impl Closer {
    pub(crate) fn close(&self, reason: CloseReason) {
        // A later reason is dropped: the connection is closing already.
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// Waits for the reason.
    pub(crate) async fn closed(&self) -> CloseReason {
        self.token.cancelled().await;
        self.reason.get().copied().unwrap_or(CloseReason::PeerGone)
    }
}

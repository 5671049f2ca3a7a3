//! Newtype ids. All are UUID version 7, so that they sort by creation time.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, ToSchema)]
        #[ts(export, export_to = "realtime.ts")]
        #[serde(transparent)]
        #[ts(type = "string")]
        #[schema(value_type = Uuid)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id. Reads the wall clock and the system's random source.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    )+};
}

ids! {
    /// A patient or an operator.
    PersonId,
    /// The one continuous thread between a patient and the clinic.
    ConversationId,
    /// A session inside a conversation.
    ConsultationId,
    /// A patient's request to be called.
    CallbackId,
    /// A call; its media room has the same id.
    CallId,
    /// An uploaded file.
    FileId,
    /// A signed-in device: one family of refresh tokens.
    SessionId,
    /// One WebSocket connection.
    ConnectionId,
    /// Chosen by the client for each message it writes; makes a resend idempotent.
    ClientMessageId,
    /// Chosen by the client for each edit or deletion; makes a resend idempotent.
    ClientChangeId,
    /// One running instance of a service.
    NodeId,
    /// A way into a media room for a device or a program that is no app of ours.
    StreamLinkId,
}

//! One person: connected, just gone, or offline.

use std::time::Duration;

use housecall_protocol::domain::{PersonKind, PresenceStatus, TimestampMs};

pub(super) struct Person {
    pub(super) kind: PersonKind,
    pub(super) reach: Reach,
    /// What watchers were told last.
    pub(super) told: PresenceStatus,
}

/// Whether the person's devices are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Connected {
        /// At least one.
        connections: usize,
        chosen: Chosen,
    },
    /// The last connection went a moment ago; nobody has been told.
    Grace {
        chosen: Chosen,
        last_seen: Seen,
    },
    Offline {
        last_seen: Seen,
    },
}

/// The status an operator chose; lives until the end of the grace.
pub(super) type Chosen = Option<Choice>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) status: PresenceStatus,
    /// When the operator said so.
    pub(super) at: TimestampMs,
}

/// When a device was there for the last time, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) elapsed: Duration,
    pub(super) at: TimestampMs,
}

impl Person {
    pub(super) const fn arrived(kind: PersonKind) -> Self {
        Self {
            kind,
            reach: Reach::Connected { connections: 1, chosen: None },
            told: PresenceStatus::Offline,
        }
    }

    pub(super) fn status(&self) -> PresenceStatus {
        match (&self.reach, self.kind) {
            (Reach::Offline { .. }, _) => PresenceStatus::Offline,
            (Reach::Connected { .. } | Reach::Grace { .. }, PersonKind::Patient) => {
                PresenceStatus::Online
            }
            (
                Reach::Connected { chosen, .. } | Reach::Grace { chosen, .. },
                PersonKind::Operator,
            ) => chosen.map_or(PresenceStatus::Online, |choice| choice.status),
        }
    }

    pub(super) const fn last_seen(&self) -> Option<TimestampMs> {
        match self.reach {
            Reach::Offline { last_seen } => Some(last_seen.at),
            Reach::Connected { .. } | Reach::Grace { .. } => None,
        }
    }
}

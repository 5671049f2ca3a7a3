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
#[derive(Debug, PartialEq)]
pub(super) enum Reach {
    Connected {
        /// At least one.
        connections: u32,
        desk: Option<Box<Desk>>,
    },
    /// The last connection went a moment ago; nobody has been told.
    Grace {
        desk: Option<Box<Desk>>,
        last_seen: Seen,
        /// Of the deadline that ends it.
        stamp: Stamp,
    },
    Offline {
        last_seen: Seen,
    },
}

/// What is known of an operator; lives until the end of the grace. Patients have none.
#[derive(Debug, PartialEq)]
pub(super) struct Desk {
    pub(super) chosen: Option<Choice>,
    /// When a device was used for the last time.
    pub(super) used: Duration,
    /// Nobody has used one for long.
    pub(super) is_idle: bool,
    pub(super) in_call: bool,
    /// Of the deadline at which this is looked at.
    pub(super) stamp: Stamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) status: PresenceStatus,
    /// When the operator said so.
    pub(super) at: TimestampMs,
}

/// Tells the deadline that counts from those that it replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp(pub(super) u32);

/// When a device was there for the last time, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) elapsed: Duration,
    pub(super) at: TimestampMs,
}

impl Desk {
    /// Whoever opens the portal uses it.
    pub(super) const fn opened(now: Duration, stamp: Stamp) -> Self {
        Self { chosen: None, used: now, is_idle: false, in_call: false, stamp }
    }

    /// A call says more than a choice, and a choice more than idle hands: except that
    /// who wants to be taken for offline is.
    fn status(&self) -> PresenceStatus {
        let chosen = self.chosen.map_or(PresenceStatus::Online, |choice| choice.status);
        match chosen {
            PresenceStatus::Offline => PresenceStatus::Offline,
            _ if self.in_call => PresenceStatus::Busy,
            PresenceStatus::Online if self.is_idle => PresenceStatus::Away,
            chosen => chosen,
        }
    }
}

impl Person {
    pub(super) const fn arrived(kind: PersonKind, desk: Option<Box<Desk>>) -> Self {
        Self {
            kind,
            reach: Reach::Connected { connections: 1, desk },
            told: PresenceStatus::Offline,
        }
    }

    pub(super) const fn desk(&mut self) -> Option<&mut Desk> {
        match &mut self.reach {
            Reach::Connected { desk: Some(desk), .. } | Reach::Grace { desk: Some(desk), .. } => {
                Some(&mut **desk)
            }
            Reach::Connected { .. } | Reach::Grace { .. } | Reach::Offline { .. } => None,
        }
    }

    pub(super) fn status(&self) -> PresenceStatus {
        match &self.reach {
            Reach::Offline { .. } => PresenceStatus::Offline,
            Reach::Connected { desk, .. } | Reach::Grace { desk, .. } => {
                desk.as_ref().map_or(PresenceStatus::Online, |desk| desk.status())
            }
        }
    }

    pub(super) const fn last_seen(&self) -> Option<TimestampMs> {
        match self.reach {
            Reach::Offline { last_seen } => Some(last_seen.at),
            Reach::Connected { .. } | Reach::Grace { .. } => None,
        }
    }
}

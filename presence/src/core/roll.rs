//! The parts of one full beat, until all of them have come.

use std::collections::HashSet;

use housecall_protocol::ids::ConnectionId;

/// Of one gateway. Bounded by what that gateway holds: a newer round replaces an
/// unfinished one.
#[derive(Default)]
pub(super) struct Roll {
    round: u64,
    parts: HashSet<u16>,
    connections: HashSet<ConnectionId>,
}

impl Roll {
    pub(super) fn hear(
        &mut self,
        round: u64,
        part: u16,
        connections: impl Iterator<Item = ConnectionId>,
    ) {
        if round != self.round {
            *self = Self { round, ..Self::default() };
        }
        self.parts.insert(part);
        self.connections.extend(connections);
    }

    pub(super) fn is_whole(&self, parts: u16) -> bool {
        self.parts.len() >= usize::from(parts)
    }

    pub(super) fn names(&self, connection: &ConnectionId) -> bool {
        self.connections.contains(connection)
    }
}

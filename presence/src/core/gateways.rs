//! What gateways hold, and which of them still live.

use std::collections::HashSet;

use housecall_protocol::cluster::FullBeat;
use housecall_protocol::domain::PersonKind;
use housecall_protocol::ids::{ConnectionId, NodeId};

use super::person::Seen;
use super::roll::Roll;
use super::{Core, Now, OVERTAKING};

pub(super) struct Gateway {
    connections: HashSet<ConnectionId>,
    /// Its last word, whatever that was.
    pub(super) heard: Seen,
    /// A full beat of which not all parts have come.
    roll: Roll,
}

impl Gateway {
    fn new(now: Now) -> Self {
        Self { connections: HashSet::new(), heard: Seen::at(now), roll: Roll::default() }
    }
}

impl Core {
    /// Once all parts of the round are here, the gateway's connections are exactly
    /// those in them. A part that was lost ends nobody: leases do.
    pub(super) fn hear_full(&mut self, now: Now, gateway: NodeId, full: FullBeat) {
        let FullBeat { round, part, parts, connections, chosen, active, in_call } = full;
        let known = self.gateways.get_mut(&gateway);
        let mut roll = known.map(|known| std::mem::take(&mut known.roll)).unwrap_or_default();
        roll.hear(round, part, connections.iter().map(|(connection, ..)| *connection));
        let in_call: HashSet<_> = in_call.into_iter().collect();
        for (connection, person, kind) in connections {
            self.renew(now, gateway, connection, person, kind);
            if kind == PersonKind::Operator {
                self.in_call(person, in_call.contains(&person));
            }
        }
        for choice in chosen {
            self.choose(choice);
        }
        for (person, at) in active {
            self.used(now, person, at);
        }
        if roll.is_whole(parts) {
            self.end_missing(now, gateway, &roll);
        } else if let Some(known) = self.gateways.get_mut(&gateway) {
            known.roll = roll;
        }
    }

    fn end_missing(&mut self, now: Now, gateway: NodeId, roll: &Roll) {
        let Some(known) = self.gateways.get(&gateway) else { return };
        let unnamed = known.connections.iter().filter(|connection| !roll.names(connection));
        let missing: Vec<_> = unnamed.copied().collect();
        for connection in missing {
            let renewed = self.connections[&connection].renewed;
            if renewed.elapsed + OVERTAKING <= now.elapsed {
                self.end(connection, Seen::at(now));
            }
        }
    }

    pub(super) fn stop(&mut self, gateway: NodeId, last_seen: Seen) {
        let Some(known) = self.gateways.remove(&gateway) else { return };
        for connection in known.connections {
            self.end(connection, last_seen);
        }
    }

    /// Judged when another gateway speaks and never by the clock alone: when all are
    /// silent it is the bus that is away, or we were.
    pub(super) fn drop_silent(&mut self, now: Now) {
        let is_silent = |known: &Gateway| known.heard.elapsed + self.rules.silence <= now.elapsed;
        let silent: Vec<_> = self
            .gateways
            .iter()
            .filter(|(_, known)| is_silent(known))
            .map(|(gateway, known)| (*gateway, known.heard))
            .collect();
        for (gateway, heard) in silent {
            self.dropped_silent = true;
            let Some(known) = self.gateways.remove(&gateway) else { continue };
            // The grace begins now: should it live, its full beat comes within.
            let graces = self.flaps.given_up(gateway, now.elapsed);
            let grace_ends = now.elapsed + self.rules.grace * graces;
            for connection in known.connections {
                self.end_at(connection, heard, grace_ends);
            }
        }
    }

    /// Whether gateways were given up since the last call. Ask all for full beats:
    /// one that was only out of reach answers before anybody is said to be gone.
    pub(crate) fn take_dropped_silent(&mut self) -> bool {
        std::mem::take(&mut self.dropped_silent)
    }

    pub(super) fn enter_gateway(&mut self, now: Now, gateway: NodeId, connection: ConnectionId) {
        let known = self.gateways.entry(gateway).or_insert_with(|| Gateway::new(now));
        known.connections.insert(connection);
    }

    pub(super) fn leave_gateway(&mut self, gateway: NodeId, connection: ConnectionId) {
        if let Some(known) = self.gateways.get_mut(&gateway) {
            known.connections.remove(&connection);
            if known.connections.is_empty() {
                self.gateways.remove(&gateway);
            }
        }
    }
}

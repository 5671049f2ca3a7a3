//! The core in virtual time: stories, and random runs against a naive model.

mod model;
mod stories;

use std::time::Duration;

use housecall_protocol::client::PersonPresence;
use housecall_protocol::cluster::{BeatKind, ChosenStatus, FullBeat, PresenceBeat};
use housecall_protocol::domain::{PersonKind, PresenceStatus, TimestampMs};
use housecall_protocol::ids::{ConnectionId, NodeId, PersonId};
use uuid::Uuid;

use super::{Core, Now, Output, Rules};

const RULES: Rules = Rules {
    lease: Duration::from_secs(60),
    silence: Duration::from_secs(9),
    grace: Duration::from_secs(10),
    away_after: None,
    remembered_offline: 1000,
};

/// Virtual time starts at a recognisable hour.
const EPOCH_MS: i64 = 1_700_000_000_000;

fn at(second: u64) -> Now {
    Now { elapsed: Duration::from_secs(second), wall: wall(second) }
}

fn wall(second: u64) -> TimestampMs {
    TimestampMs(EPOCH_MS + i64::try_from(second * 1000).unwrap())
}

fn person(n: u8) -> PersonId {
    PersonId(Uuid::from_u128(u128::from(n)))
}

/// Even numbers are operators.
fn kind(person: u8) -> PersonKind {
    if person.is_multiple_of(2) { PersonKind::Operator } else { PersonKind::Patient }
}

fn connection(n: u8) -> ConnectionId {
    ConnectionId(Uuid::from_u128(1000 + u128::from(n)))
}

fn beat(gateway: u8, kind: BeatKind) -> PresenceBeat {
    PresenceBeat { gateway: NodeId(Uuid::from_u128(2000 + u128::from(gateway))), kind }
}

fn joined(c: u8, p: u8) -> BeatKind {
    BeatKind::Joined { connection: connection(c), person: person(p), kind: kind(p) }
}

fn left(c: u8, p: u8) -> BeatKind {
    BeatKind::Left { connection: connection(c), person: person(p) }
}

fn full(list: &[(u8, u8)]) -> BeatKind {
    part(1, 0, 1, list)
}

fn part(round: u64, part: u16, parts: u16, list: &[(u8, u8)]) -> BeatKind {
    let connections = list.iter().map(|(c, p)| (connection(*c), person(*p), kind(*p))).collect();
    BeatKind::Full(FullBeat {
        round,
        part,
        parts,
        connections,
        chosen: Vec::new(),
        active: Vec::new(),
        in_call: Vec::new(),
    })
}

fn chose_at(p: u8, status: PresenceStatus, second: u64) -> ChosenStatus {
    ChosenStatus { person: person(p), status, at: wall(second) }
}

/// All news of one instant.
fn news(core: &mut Core, second: u64) -> Vec<PersonPresence> {
    let mut all = Vec::new();
    while let Output::Changed(people) = core.poll(at(second)) {
        all.extend(people);
    }
    all
}

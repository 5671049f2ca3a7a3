//! Random runs against a model that looks at everything in every second.

use std::collections::{BTreeMap, BTreeSet};

use housecall_protocol::cluster::BeatKind;
use housecall_protocol::domain::{PersonKind, PresenceStatus};
use proptest::prelude::*;

use super::super::{Core, OVERTAKING};
use super::{RULES, at, beat, chose_at, full, joined, kind, left, news, person, wall};

const PEOPLE: u8 = 4;
const CONNECTIONS: u8 = 6;
const GATEWAYS: u8 = 3;

#[derive(Clone, Debug)]
enum Step {
    Joined { gateway: u8, connection: u8 },
    Left { gateway: u8, connection: u8 },
    Full { gateway: u8, connections: BTreeSet<u8> },
    Stopping { gateway: u8 },
    Status { person: u8, status: PresenceStatus },
    Wait { seconds: u64 },
}

/// A connection always belongs to the same person, as in life.
const fn owner(connection: u8) -> u8 {
    connection % PEOPLE
}

fn step() -> impl Strategy<Value = Step> {
    let status = prop_oneof![
        Just(PresenceStatus::Online),
        Just(PresenceStatus::Busy),
        Just(PresenceStatus::Away),
        Just(PresenceStatus::Offline),
    ];
    prop_oneof![
        3 => (0..GATEWAYS, 0..CONNECTIONS)
            .prop_map(|(gateway, connection)| Step::Joined { gateway, connection }),
        2 => (0..GATEWAYS, 0..CONNECTIONS)
            .prop_map(|(gateway, connection)| Step::Left { gateway, connection }),
        2 => (0..GATEWAYS, proptest::collection::btree_set(0..CONNECTIONS, 0..4))
            .prop_map(|(gateway, connections)| Step::Full { gateway, connections }),
        1 => (0..GATEWAYS).prop_map(|gateway| Step::Stopping { gateway }),
        2 => (0..PEOPLE, status).prop_map(|(person, status)| Step::Status { person, status }),
        4 => prop_oneof![0..4_u64, 8..13_u64, 25..30_u64, 58..75_u64]
            .prop_map(|seconds| Step::Wait { seconds }),
    ]
}

#[derive(Default)]
struct Model {
    second: u64,
    /// Connection to its gateway and the second it was last vouched for.
    connections: BTreeMap<u8, (u8, u64)>,
    people: BTreeMap<u8, ModelPerson>,
}

#[derive(Default)]
struct ModelPerson {
    chosen: Option<PresenceStatus>,
    /// Second of the end of the last connection, and of its last sign of life.
    gone: Option<(u64, u64)>,
    is_over: bool,
}

impl Model {
    fn apply(&mut self, step: &Step) {
        match step {
            Step::Joined { gateway, connection } => self.vouch(*gateway, *connection),
            Step::Left { gateway, connection } => {
                if self.connections.get(connection).is_some_and(|(by, _)| by == gateway) {
                    self.end(*connection, self.second);
                }
            }
            Step::Full { gateway, connections } => {
                for connection in connections {
                    self.vouch(*gateway, *connection);
                }
                let margin = OVERTAKING.as_secs();
                self.end_where(|c, (by, since), now| {
                    by == *gateway && !connections.contains(&c) && since + margin <= now
                });
            }
            Step::Stopping { gateway } => self.end_where(|_, (by, _), _| by == *gateway),
            Step::Status { person, status } => {
                let Some(known) = self.people.get_mut(person) else { return };
                if !known.is_over && kind(*person) == PersonKind::Operator {
                    known.chosen = Some(*status);
                }
            }
            Step::Wait { seconds } => {
                for _ in 0..*seconds {
                    self.second += 1;
                    self.tick();
                }
            }
        }
        // A grace may end in the very second of the step.
        self.tick();
    }

    fn vouch(&mut self, gateway: u8, connection: u8) {
        self.connections.insert(connection, (gateway, self.second));
        let person = self.people.entry(owner(connection)).or_default();
        person.gone = None;
        person.is_over = false;
    }

    fn end_where(&mut self, ends: impl Fn(u8, (u8, u64), u64) -> bool) {
        let now = self.second;
        let ending: Vec<u8> = self
            .connections
            .iter()
            .filter(|(c, entry)| ends(**c, **entry, now))
            .map(|(c, _)| *c)
            .collect();
        for connection in ending {
            self.end(connection, now);
        }
    }

    fn end(&mut self, connection: u8, last_seen: u64) {
        self.connections.remove(&connection);
        let id = owner(connection);
        if !self.connections.keys().any(|c| owner(*c) == id) {
            self.people.get_mut(&id).unwrap().gone = Some((self.second, last_seen));
        }
    }

    fn tick(&mut self) {
        // In the order in which leases ran out and then by id, as the last one counts.
        let lease = RULES.lease.as_secs();
        let expired: Vec<(u8, u64)> = self
            .connections
            .iter()
            .filter(|(_, (_, since))| since + lease <= self.second)
            .map(|(c, (_, since))| (*c, *since))
            .collect();
        for (connection, since) in expired {
            self.end(connection, since);
        }
        for person in self.people.values_mut() {
            if person.gone.is_some_and(|(end, _)| end + RULES.grace.as_secs() <= self.second) {
                person.is_over = true;
                person.chosen = None;
            }
        }
    }

    fn status(&self, id: u8) -> PresenceStatus {
        match self.people.get(&id) {
            Some(person) if !person.is_over => person.chosen.unwrap_or(PresenceStatus::Online),
            _ => PresenceStatus::Offline,
        }
    }
}

fn kind_of(step: &Step, second: u64) -> Option<(u8, BeatKind)> {
    match step {
        Step::Joined { gateway, connection } => {
            Some((*gateway, joined(*connection, owner(*connection))))
        }
        Step::Left { gateway, connection } => {
            Some((*gateway, left(*connection, owner(*connection))))
        }
        Step::Full { gateway, connections } => {
            let list: Vec<_> = connections.iter().map(|c| (*c, owner(*c))).collect();
            Some((*gateway, full(&list)))
        }
        Step::Stopping { gateway } => Some((*gateway, BeatKind::Stopping)),
        Step::Status { person: id, status } => {
            Some((0, BeatKind::Status(chose_at(*id, *status, second))))
        }
        Step::Wait { .. } => None,
    }
}

proptest! {
    #[test]
    fn says_what_the_model_says(steps in proptest::collection::vec(step(), 0..80)) {
        let mut core = Core::new(RULES);
        let mut model = Model::default();
        let mut told = BTreeMap::new();
        for step in steps {
            model.apply(&step);
            if let Some((gateway, kind)) = kind_of(&step, model.second) {
                core.handle(at(model.second), beat(gateway, kind));
            }
            for news in news(&mut core, model.second) {
                let before = told.insert(news.person, news.status);
                prop_assert_ne!(before.unwrap_or(PresenceStatus::Offline), news.status, "not news");
            }
            for id in 0..PEOPLE {
                let expected = model.status(id);
                let presence = core.presence(person(id));
                prop_assert_eq!(presence.status, expected, "person {} at {}", id, model.second);
                let heard = told.get(&person(id)).copied().unwrap_or(PresenceStatus::Offline);
                prop_assert_eq!(heard, expected, "what watchers believe of {}", id);
                let last_seen = model.people.get(&id).filter(|p| p.is_over).and_then(|p| p.gone);
                prop_assert_eq!(presence.last_seen, last_seen.map(|(_, seen)| wall(seen)));
            }
            prop_assert_eq!(core.census().leases, model.connections.len());
            let online = model.people.values().filter(|person| !person.is_over).count();
            prop_assert_eq!(core.census().patients + core.census().operators, online);
        }
    }
}

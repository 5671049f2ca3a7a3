//! The rules of presence, without IO: who is reachable, and when that is news.
//!
//! [`Core::handle`] takes what gateways say, [`Core::poll`] gives the changes
//! that watchers have to be told, then the time at which to poll again. It reads
//! no clock: a run is repeatable in virtual time.
//!
//! Gateways are the only source: a connection counts from its gateway's word
//! until that gateway says otherwise or falls silent for a lease.

mod deadlines;
mod gateways;
mod person;
mod roll;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use housecall_protocol::client::PersonPresence;
use housecall_protocol::cluster::{BeatKind, ChosenStatus, PresenceBeat};
use housecall_protocol::domain::{PersonKind, PresenceStatus, TimestampMs};
use housecall_protocol::ids::{ConnectionId, NodeId, PersonId};

use deadlines::Deadlines;
use gateways::Gateway;
use person::{Choice, Person, Reach, Seen};

/// How long things last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) lease: Duration,
    /// A gateway that says nothing for so long, while another one does, is dead.
    pub(crate) silence: Duration,
    pub(crate) grace: Duration,
    /// Offline people who are remembered.
    pub(crate) remembered_offline: usize,
}

/// A gateway composes a full beat while connections come and go; one that joined
/// so shortly before may be missing from it only because the beats overtook each
/// other. The next full beat decides.
const OVERTAKING: Duration = Duration::from_secs(2);

/// One instant by two clocks: leases are measured by one that never jumps,
/// people are told the time of day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Since any fixed instant.
    pub(crate) elapsed: Duration,
    pub(crate) wall: TimestampMs,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Output {
    /// Tell the watchers. More may follow: poll again.
    Changed(Vec<PersonPresence>),
    /// Nothing more now. Poll again at that time, or after the next input.
    Timeout(Option<Duration>),
}

/// How many there are now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// Patients and operators who have a connection, or had one within the grace.
    pub(crate) patients: usize,
    pub(crate) operators: usize,
    /// Connections.
    pub(crate) leases: usize,
}

pub(crate) struct Core {
    rules: Rules,
    connections: HashMap<ConnectionId, Connection>,
    gateways: HashMap<NodeId, Gateway>,
    people: HashMap<PersonId, Person>,
    deadlines: Deadlines<Deadline>,
    /// People whose status may differ from what was told.
    touched: BTreeSet<PersonId>,
    /// Offline people, the longest gone first.
    gone: BTreeSet<(Duration, PersonId)>,
    census: Census,
    dropped_silent: bool,
}

struct Connection {
    person: PersonId,
    gateway: NodeId,
    /// When the gateway last vouched for it.
    renewed: Seen,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Deadline {
    Lease(ConnectionId),
    Grace(PersonId),
}

impl Core {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            connections: HashMap::new(),
            gateways: HashMap::new(),
            people: HashMap::new(),
            deadlines: Deadlines::new(),
            touched: BTreeSet::new(),
            gone: BTreeSet::new(),
            census: Census::default(),
            dropped_silent: false,
        }
    }

    pub(crate) fn handle(&mut self, now: Now, beat: PresenceBeat) {
        // What ended before this beat must not be revived by it.
        self.expire(now);
        let PresenceBeat { gateway, kind } = beat;
        if let Some(known) = self.gateways.get_mut(&gateway) {
            known.heard = Seen::at(now);
        }
        match kind {
            BeatKind::Joined { connection, person, kind } => {
                self.renew(now, gateway, connection, person, kind);
            }
            BeatKind::Left { connection, person: _ } => {
                // Only its own gateway may end a connection: a late word of the
                // one it moved away from must not.
                if self.connections.get(&connection).is_some_and(|known| known.gateway == gateway) {
                    self.end(connection, Seen::at(now));
                }
            }
            BeatKind::Full(full) => self.hear_full(now, gateway, full),
            BeatKind::Status(chosen) => self.choose(chosen),
            BeatKind::Alive => self.drop_silent(now),
            BeatKind::Stopping => self.stop(gateway, Seen::at(now)),
        }
    }

    pub(crate) fn poll(&mut self, now: Now) -> Output {
        self.expire(now);
        let touched = std::mem::take(&mut self.touched);
        let changed: Vec<_> =
            touched.into_iter().filter_map(|person| self.news_of(person)).collect();
        if changed.is_empty() {
            self.forget_longest_gone();
            Output::Timeout(self.deadlines.next())
        } else {
            Output::Changed(changed)
        }
    }

    /// A person as they are now. Whoever was never heard of is offline.
    pub(crate) fn presence(&self, person: PersonId) -> PersonPresence {
        let known = self.people.get(&person);
        PersonPresence {
            person,
            status: known.map_or(PresenceStatus::Offline, Person::status),
            last_seen: known.and_then(Person::last_seen),
        }
    }

    /// Operators who are online or busy.
    pub(crate) fn operators_online(&self) -> Vec<PersonId> {
        let mut ids: Vec<_> = self
            .people
            .iter()
            .filter(|(_, person)| person.kind == PersonKind::Operator)
            .filter(|(_, person)| {
                matches!(person.status(), PresenceStatus::Online | PresenceStatus::Busy)
            })
            .map(|(id, _)| *id)
            .collect();
        ids.sort_unstable();
        ids
    }

    pub(crate) fn census(&self) -> Census {
        Census { leases: self.connections.len(), ..self.census }
    }

    fn expire(&mut self, now: Now) {
        while let Some((due, deadline)) = self.deadlines.pop_due(now.elapsed) {
            match deadline {
                Deadline::Lease(connection) => {
                    let renewed = self.connections[&connection].renewed;
                    self.end_at(connection, renewed, due);
                }
                Deadline::Grace(person) => self.leave(person),
            }
        }
    }

    fn renew(
        &mut self,
        now: Now,
        gateway: NodeId,
        connection: ConnectionId,
        person: PersonId,
        kind: PersonKind,
    ) {
        let renewed = Seen::at(now);
        self.deadlines.set(Deadline::Lease(connection), now.elapsed + self.rules.lease);
        if let Some(known) = self.connections.get_mut(&connection)
            && known.person == person
        {
            known.renewed = renewed;
            let before = std::mem::replace(&mut known.gateway, gateway);
            if before != gateway {
                self.leave_gateway(before, connection);
                self.enter_gateway(now, gateway, connection);
            }
            return;
        }
        // An id that now belongs to somebody else: never from our own gateways,
        // but then the old owner must not keep it.
        if self.connections.contains_key(&connection) {
            self.end(connection, renewed);
            self.deadlines.set(Deadline::Lease(connection), now.elapsed + self.rules.lease);
        }
        self.connections.insert(connection, Connection { person, gateway, renewed });
        self.enter_gateway(now, gateway, connection);
        self.arrive(person, kind);
    }

    fn choose(&mut self, said: ChosenStatus) {
        let ChosenStatus { person: id, status, at } = said;
        // Without a connection there is nothing to choose: the gateway says
        // "joined" before it passes on a choice.
        if let Some(person) = self.people.get_mut(&id)
            && person.kind == PersonKind::Operator
            && let Reach::Connected { chosen, .. } | Reach::Grace { chosen, .. } = &mut person.reach
            && chosen.is_none_or(|known| known.at <= at)
        {
            *chosen = Some(Choice { status, at });
            self.touched.insert(id);
        }
    }

    fn end(&mut self, connection: ConnectionId, last_seen: Seen) {
        self.end_at(connection, last_seen, last_seen.elapsed);
    }

    /// `ended` is when the connection stopped counting; `last_seen` is the last
    /// sign of it, earlier when it ended in silence.
    fn end_at(&mut self, connection: ConnectionId, last_seen: Seen, ended: Duration) {
        self.deadlines.clear(Deadline::Lease(connection));
        let Some(Connection { person: id, gateway, .. }) = self.connections.remove(&connection)
        else {
            return;
        };
        self.leave_gateway(gateway, connection);
        let person = self.people.get_mut(&id).expect("a connection's person is known");
        let Reach::Connected { connections, chosen } = person.reach else {
            unreachable!("a person with a connection is connected")
        };
        if connections > 1 {
            person.reach = Reach::Connected { connections: connections - 1, chosen };
            return;
        }
        person.reach = Reach::Grace { chosen, last_seen };
        self.deadlines.set(Deadline::Grace(id), ended + self.rules.grace);
    }

    fn arrive(&mut self, id: PersonId, kind: PersonKind) {
        self.touched.insert(id);
        let Some(person) = self.people.get_mut(&id) else {
            self.people.insert(id, Person::arrived(kind));
            *self.census.of(kind) += 1;
            return;
        };
        person.reach = match person.reach {
            Reach::Connected { connections, chosen } => {
                Reach::Connected { connections: connections + 1, chosen }
            }
            Reach::Grace { chosen, .. } => {
                self.deadlines.clear(Deadline::Grace(id));
                Reach::Connected { connections: 1, chosen }
            }
            Reach::Offline { last_seen } => {
                self.gone.remove(&(last_seen.elapsed, id));
                *self.census.of(person.kind) += 1;
                Reach::Connected { connections: 1, chosen: None }
            }
        };
    }

    /// The grace is over.
    fn leave(&mut self, id: PersonId) {
        let person = self.people.get_mut(&id).expect("who is in grace is known");
        let Reach::Grace { last_seen, .. } = person.reach else {
            unreachable!("an arrival clears the grace's deadline")
        };
        person.reach = Reach::Offline { last_seen };
        *self.census.of(person.kind) -= 1;
        self.gone.insert((last_seen.elapsed, id));
        self.touched.insert(id);
    }

    fn news_of(&mut self, id: PersonId) -> Option<PersonPresence> {
        let person = self.people.get_mut(&id)?;
        let status = person.status();
        if person.told == status {
            return None;
        }
        person.told = status;
        Some(PersonPresence { person: id, status, last_seen: person.last_seen() })
    }

    /// After the news, so that nobody is forgotten before they were told offline.
    fn forget_longest_gone(&mut self) {
        while self.gone.len() > self.rules.remembered_offline {
            if let Some((_, person)) = self.gone.pop_first() {
                self.people.remove(&person);
            }
        }
    }
}

impl Seen {
    const fn at(now: Now) -> Self {
        Self { elapsed: now.elapsed, at: now.wall }
    }
}

impl Census {
    const fn of(&mut self, kind: PersonKind) -> &mut usize {
        match kind {
            PersonKind::Patient => &mut self.patients,
            PersonKind::Operator => &mut self.operators,
        }
    }
}

//! The rules of presence, without IO: who is reachable, and when that is news.
//!
//! [`Core::handle`] takes what gateways say, [`Core::poll`] gives the changes
//! that watchers have to be told, then the time at which to poll again. It reads
//! no clock: a run is repeatable in virtual time.
//!
//! Gateways are the only source: a connection counts from its gateway's word
//! until that gateway says otherwise or falls silent for a lease.

mod flaps;
mod gateways;
mod person;
mod roll;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use housecall_platform::wheel::Wheel;
use housecall_protocol::client::PersonPresence;
use housecall_protocol::cluster::{BeatKind, ChosenStatus, PresenceBeat};
use housecall_protocol::domain::{PersonKind, PresenceStatus, TimestampMs};
use housecall_protocol::ids::{ConnectionId, NodeId, PersonId};

use flaps::Flaps;
use gateways::Gateway;
use person::{Choice, Desk, Person, Reach, Seen, Stamp};

/// How long things last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) lease: Duration,
    /// A gateway that says nothing for so long, while another one does, is dead.
    pub(crate) silence: Duration,
    pub(crate) grace: Duration,
    /// An operator who uses no device for so long is away. None: never.
    pub(crate) away_after: Option<Duration>,
    /// Offline people who are remembered.
    pub(crate) remembered_offline: usize,
}

/// A gateway composes a full beat while connections come and go; one that joined
/// so shortly before may be missing from it only because the beats overtook each
/// other. The next full beat decides.
const OVERTAKING: Duration = Duration::from_secs(2);

/// Leases, graces and idle times are kept to this, which no person notices.
const TICK: Duration = Duration::from_millis(250);
/// Two minutes: longer than a lease or a grace.
const SLOTS: usize = 512;

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
    deadlines: Wheel<Deadline>,
    /// The last deadline's.
    stamp: Stamp,
    flaps: Flaps,
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
    /// Of the deadline at which its lease is looked at.
    stamp: Stamp,
}

/// A time at which something is looked at. Nothing is taken back: each carries the
/// stamp that what it concerns had when it was set, and means nothing to a later one.
/// A renewal of a lease, which every beat brings to every lease, sets none: the one
/// that is set finds the lease renewed and is set again.
#[derive(Clone, Copy, Debug)]
enum Deadline {
    Lease(ConnectionId, Stamp),
    Grace(PersonId, Stamp),
    Idle(PersonId, Stamp),
}

impl Core {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            connections: HashMap::new(),
            gateways: HashMap::new(),
            people: HashMap::new(),
            deadlines: Wheel::new(TICK, SLOTS),
            stamp: Stamp::default(),
            flaps: Flaps::default(),
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
            BeatKind::Active { person, at } => self.used(now, person, at),
            BeatKind::InCall { person, in_call } => self.in_call(person, in_call),
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
        while let Some((at, deadline)) = self.deadlines.pop_due(now.elapsed) {
            match deadline {
                Deadline::Lease(connection, stamp) => self.check_lease(at, connection, stamp),
                Deadline::Grace(person, stamp) => self.leave(person, stamp),
                Deadline::Idle(person, stamp) => self.check_idle(now, person, stamp),
            }
        }
    }

    fn next_stamp(&mut self) -> Stamp {
        self.stamp = Stamp(self.stamp.0.wrapping_add(1));
        self.stamp
    }

    /// `at` is the deadline's time and not now: of two leases that have run out since,
    /// the later one has to be the last to end.
    fn check_lease(&mut self, at: Duration, id: ConnectionId, stamp: Stamp) {
        let Some(connection) = self.connections.get(&id).filter(|one| one.stamp == stamp) else {
            return;
        };
        let renewed = connection.renewed;
        let due = renewed.elapsed + self.rules.lease;
        if due <= at {
            self.end_at(id, renewed, due + self.rules.grace);
        } else {
            self.deadlines.insert(due, Deadline::Lease(id, stamp));
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
        }
        let stamp = self.next_stamp();
        let due = now.elapsed + self.rules.lease;
        self.deadlines.insert(due, Deadline::Lease(connection, stamp));
        self.connections.insert(connection, Connection { person, gateway, renewed, stamp });
        self.enter_gateway(now, gateway, connection);
        self.arrive(now, person, kind);
    }

    /// Without a connection there is nothing to say of an operator: the gateway says
    /// "joined" before it passes on anything else.
    fn desk(&mut self, id: PersonId) -> Option<&mut Desk> {
        self.people.get_mut(&id)?.desk()
    }

    fn choose(&mut self, said: ChosenStatus) {
        let ChosenStatus { person: id, status, at } = said;
        if let Some(desk) = self.desk(id)
            && desk.chosen.is_none_or(|known| known.at <= at)
        {
            desk.chosen = Some(Choice { status, at });
            self.touched.insert(id);
        }
    }

    fn in_call(&mut self, id: PersonId, in_call: bool) {
        if let Some(desk) = self.desk(id)
            && desk.in_call != in_call
        {
            desk.in_call = in_call;
            self.touched.insert(id);
        }
    }

    /// An operator used a device at a time of day that another machine's clock told.
    fn used(&mut self, now: Now, id: PersonId, at: TimestampMs) {
        let ago = u64::try_from(now.wall.0.saturating_sub(at.0)).unwrap_or(0);
        let used = now.elapsed.saturating_sub(Duration::from_millis(ago));
        let is_idle = self.rules.away_after.is_some_and(|after| used + after <= now.elapsed);
        let stamp = self.next_stamp();
        let Some(desk) = self.desk(id) else { return };
        if is_idle || used <= desk.used {
            return;
        }
        desk.used = used;
        if desk.is_idle {
            desk.is_idle = false;
            desk.stamp = stamp;
            self.touched.insert(id);
            self.watch_idle(id, used, stamp);
        }
    }

    /// Begins to look for idle hands, if there is a desk.
    fn watch_desk(&mut self, id: PersonId, now: Now, stamp: Stamp) {
        if self.desk(id).is_some() {
            self.watch_idle(id, now.elapsed, stamp);
        }
    }

    fn watch_idle(&mut self, id: PersonId, used: Duration, stamp: Stamp) {
        if let Some(after) = self.rules.away_after {
            self.deadlines.insert(used + after, Deadline::Idle(id, stamp));
        }
    }

    fn check_idle(&mut self, now: Now, id: PersonId, stamp: Stamp) {
        let Some(after) = self.rules.away_after else { return };
        let Some(desk) = self.desk(id).filter(|desk| desk.stamp == stamp) else { return };
        let used = desk.used;
        if used + after <= now.elapsed {
            desk.is_idle = true;
            self.touched.insert(id);
        } else {
            self.watch_idle(id, used, stamp);
        }
    }

    fn end(&mut self, connection: ConnectionId, last_seen: Seen) {
        self.end_at(connection, last_seen, last_seen.elapsed + self.rules.grace);
    }

    /// `last_seen` is the last sign of the connection; `grace_ends` is when its person,
    /// if this was their last one, is said to be gone.
    fn end_at(&mut self, connection: ConnectionId, last_seen: Seen, grace_ends: Duration) {
        let Some(Connection { person: id, gateway, .. }) = self.connections.remove(&connection)
        else {
            return;
        };
        self.leave_gateway(gateway, connection);
        let stamp = self.next_stamp();
        let person = self.people.get_mut(&id).expect("a connection's person is known");
        let Reach::Connected { connections, desk } = &mut person.reach else {
            unreachable!("a person with a connection is connected")
        };
        if *connections > 1 {
            *connections -= 1;
            return;
        }
        person.reach = Reach::Grace { desk: desk.take(), last_seen, stamp };
        self.deadlines.insert(grace_ends, Deadline::Grace(id, stamp));
    }

    fn arrive(&mut self, now: Now, id: PersonId, kind: PersonKind) {
        self.touched.insert(id);
        let stamp = self.next_stamp();
        let is_operator = kind == PersonKind::Operator;
        let new_desk = || is_operator.then(|| Box::new(Desk::opened(now.elapsed, stamp)));
        let Some(person) = self.people.get_mut(&id) else {
            self.people.insert(id, Person::arrived(kind, new_desk()));
            *self.census.of(kind) += 1;
            self.watch_desk(id, now, stamp);
            return;
        };
        match &mut person.reach {
            Reach::Connected { connections, .. } => *connections += 1,
            Reach::Grace { desk, .. } => {
                person.reach = Reach::Connected { connections: 1, desk: desk.take() };
            }
            Reach::Offline { last_seen } => {
                self.gone.remove(&(last_seen.elapsed, id));
                *self.census.of(person.kind) += 1;
                person.reach = Reach::Connected { connections: 1, desk: new_desk() };
                self.watch_desk(id, now, stamp);
            }
        }
    }

    /// The grace is over, unless the person came back.
    fn leave(&mut self, id: PersonId, ended: Stamp) {
        let Some(person) = self.people.get_mut(&id) else { return };
        let Reach::Grace { last_seen, stamp, .. } = person.reach else { return };
        if stamp != ended {
            return;
        }
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

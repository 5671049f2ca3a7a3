//! Which workers each room lives on, and who of it sits where.
//!
//! A room begins on one worker, its home. When it has grown beyond what one worker is to
//! carry, further participants go to others, its branches; the cores relay the media
//! between them. A worker decides when its part of a room ends, the service where one
//! begins, and the news of both cross: a part may be closed and joined again before the
//! news of the closing is read here. So a worker stamps all it says with a growing number,
//! and only news that is newer than the last join ends a placement.

use std::collections::HashMap;

use housecall_protocol::ids::{CallId, PersonId};

#[derive(Debug)]
pub(crate) struct Placement {
    rooms: HashMap<CallId, Room>,
    /// Participants per worker.
    load: Vec<usize>,
    /// Participants of one room on one worker, before others get the next ones.
    spread: usize,
    /// Participants of one room.
    room_participants: usize,
}

#[derive(Debug)]
struct Room {
    /// The home first.
    parts: Vec<Part>,
    seats: HashMap<PersonId, Seat>,
}

/// A room on one worker.
#[derive(Debug)]
struct Part {
    worker: usize,
    /// Joins whose answer is outstanding.
    pending_joins: usize,
    /// The first join that was answered, 0 before that, and the last.
    since: u64,
    joined: u64,
    closed: u64,
}

/// Where a participant is.
#[derive(Debug)]
struct Seat {
    worker: usize,
    pending_joins: usize,
    joined: u64,
}

/// Where somebody is to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) worker: usize,
    /// The room's other workers, its home first, which this one has to know; empty at
    /// the home.
    pub(crate) others: Vec<usize>,
}

/// What the end of a part means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The room goes on elsewhere.
    Part,
    /// The room is over; its owner is to hear of it. What is left of it on these workers
    /// is to be closed.
    Room { rest: Vec<usize> },
}

impl Placement {
    pub(crate) fn new(workers: usize, spread: usize, room_participants: usize) -> Self {
        let (rooms, load) = (HashMap::new(), vec![0; workers]);
        Self { rooms, load, spread: spread.max(1), room_participants }
    }

    pub(crate) fn has(&self, room: CallId) -> bool {
        self.rooms.contains_key(&room)
    }

    /// The worker that speaks for a room.
    pub(crate) fn home(&self, room: CallId) -> Option<usize> {
        self.rooms.get(&room)?.parts.first().map(|part| part.worker)
    }

    /// All workers of a room, its home first.
    pub(crate) fn workers(&self, room: CallId) -> Vec<usize> {
        let room = self.rooms.get(&room);
        room.map_or_else(Vec::new, |room| room.parts.iter().map(|part| part.worker).collect())
    }

    /// The worker of a participant; of somebody unknown, the room's home.
    pub(crate) fn worker_of(&self, room: CallId, person: PersonId) -> Option<usize> {
        let seat = self.rooms.get(&room)?.seats.get(&person);
        seat.map(|seat| seat.worker).or_else(|| self.home(room))
    }

    pub(crate) fn rooms(&self) -> impl Iterator<Item = CallId> {
        self.rooms.keys().copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// Where somebody who is about to join gets a seat: where they had one, else at the
    /// room's home as long as that has room, else at the worker of the fewest people that
    /// has. `None`: the room is full. Every seat given is followed by one of
    /// [`Self::joined`].
    pub(crate) fn join(&mut self, id: CallId, person: PersonId) -> Option<Place> {
        let known = self.rooms.get(&id);
        let seated = known.and_then(|room| room.seats.get(&person)).map(|seat| seat.worker);
        if seated.is_none() && known.is_some_and(|room| room.seats.len() >= self.room_participants)
        {
            return None;
        }
        let worker = seated.unwrap_or_else(|| self.choose(id));
        let room = self.rooms.entry(id).or_insert_with(Room::new);
        let load = &mut self.load;
        let seat = room.seats.entry(person).or_insert_with(|| {
            load[worker] += 1;
            Seat { worker, pending_joins: 0, joined: 0 }
        });
        seat.pending_joins += 1;
        room.part(worker).pending_joins += 1;
        let parts = room.parts.iter().map(|part| part.worker);
        let is_home = room.parts.first().is_some_and(|home| home.worker == worker);
        let others =
            if is_home { Vec::new() } else { parts.filter(|other| *other != worker).collect() };
        Some(Place { worker, others })
    }

    fn choose(&self, id: CallId) -> usize {
        let by_load = |worker: &usize| self.load[*worker];
        let least_loaded = || (0..self.load.len()).min_by_key(by_load).unwrap_or(0);
        let Some(room) = self.rooms.get(&id) else { return least_loaded() };
        let seats = |worker| room.seats.values().filter(|seat| seat.worker == worker).count();
        let parts = || room.parts.iter().map(|part| part.worker);
        if let Some(worker) = parts().find(|worker| seats(*worker) < self.spread) {
            return worker;
        }
        let fresh = (0..self.load.len()).filter(|worker| !parts().any(|part| part == *worker));
        let evenly = || parts().min_by_key(|worker| seats(*worker)).unwrap_or(0);
        fresh.min_by_key(by_load).unwrap_or_else(evenly)
    }

    /// A join was answered: with the worker's stamp, or not at all. Whether they are there
    /// now: news that the room was closed after the join may have been read before this.
    pub(crate) fn joined(&mut self, id: CallId, person: PersonId, stamp: Option<u64>) -> bool {
        let stamp = stamp.unwrap_or(0);
        let Some(room) = self.rooms.get_mut(&id) else { return false };
        let Some(worker) = room.seats.get(&person).map(|seat| seat.worker) else { return false };
        let part = room.part(worker);
        part.pending_joins = part.pending_joins.saturating_sub(1);
        part.joined = part.joined.max(stamp);
        if part.since == 0 {
            part.since = stamp;
        }
        let closed = part.closed;
        if let Some(seat) = room.seats.get_mut(&person) {
            seat.pending_joins = seat.pending_joins.saturating_sub(1);
            seat.joined = seat.joined.max(stamp);
            if seat.pending_joins == 0 && seat.joined <= closed {
                self.rise(id, person);
            }
        }
        self.forget_part_if_over(id, worker);
        stamp > closed
    }

    /// Somebody was told to leave.
    pub(crate) fn left(&mut self, id: CallId, person: PersonId) {
        let seat = self.rooms.get(&id).and_then(|room| room.seats.get(&person));
        if seat.is_some_and(|seat| seat.pending_joins == 0) {
            self.rise(id, person);
        }
    }

    /// A worker said that somebody's session has ended there.
    pub(crate) fn gone(&mut self, id: CallId, person: PersonId, worker: usize, stamp: u64) {
        let seat = self.rooms.get(&id).and_then(|room| room.seats.get(&person));
        // Stamps of different workers say nothing of each other.
        let is_this =
            |seat: &Seat| seat.worker == worker && seat.pending_joins == 0 && seat.joined < stamp;
        if seat.is_some_and(is_this) {
            self.rise(id, person);
        }
    }

    fn rise(&mut self, id: CallId, person: PersonId) {
        let seat = self.rooms.get_mut(&id).and_then(|room| room.seats.remove(&person));
        if let Some(seat) = seat {
            self.load[seat.worker] -= 1;
        }
    }

    /// A worker said that its part of the room is closed. A branch that nobody is left at
    /// may be; anything else ends the room.
    pub(crate) fn closed(&mut self, id: CallId, worker: usize, stamp: u64) -> Closed {
        let Some(room) = self.rooms.get_mut(&id) else { return Closed::Part };
        let is_home = room.parts.first().is_some_and(|home| home.worker == worker);
        let Some(part) = room.parts.iter_mut().find(|part| part.worker == worker) else {
            return Closed::Part;
        };
        part.closed = part.closed.max(stamp);
        let is_over = part.pending_joins == 0 && part.joined <= part.closed;
        // An earlier room of that name, whose end was told; or the join that is still to be
        // answered, which will prove to be over.
        let is_other = part.since == 0 || part.since > stamp;
        let lost_people = room
            .seats
            .values()
            .any(|seat| seat.worker == worker && seat.pending_joins == 0 && seat.joined < stamp);
        match (is_home, is_over, lost_people) {
            (true, true, _) | (false, _, true) => {
                let rest = self.workers(id);
                self.forget(id);
                Closed::Room { rest }
            }
            (true, false, _) if is_other => Closed::Part,
            // Joined again already; who was in it before has to hear of the end.
            (true, false, _) => Closed::Room { rest: self.begin_anew(id, worker, stamp) },
            (false, _, false) => {
                self.forget_part_if_over(id, worker);
                Closed::Part
            }
        }
    }

    /// Leaves of a room what joined its home again since that was closed. Where else it
    /// lived: those parts know nothing of the new home, nor it of them.
    fn begin_anew(&mut self, id: CallId, home: usize, stamp: u64) -> Vec<usize> {
        let Some(room) = self.rooms.get_mut(&id) else { return Vec::new() };
        let load = &mut self.load;
        room.seats.retain(|_, seat| {
            let stays = seat.worker == home && (seat.pending_joins > 0 || seat.joined > stamp);
            load[seat.worker] -= usize::from(!stays);
            stays
        });
        let (new, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut room.parts).into_iter().partition(|part| part.worker == home);
        room.parts = new;
        rest.iter().map(|part| part.worker).collect()
    }

    fn forget(&mut self, id: CallId) {
        let Some(room) = self.rooms.remove(&id) else { return };
        for seat in room.seats.values() {
            self.load[seat.worker] -= 1;
        }
    }

    fn forget_part_if_over(&mut self, id: CallId, worker: usize) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.parts.retain(|part| {
            part.worker != worker || part.pending_joins > 0 || part.joined > part.closed
        });
        if room.parts.is_empty() {
            self.forget(id);
        }
    }
}

impl Room {
    fn new() -> Self {
        Self { parts: Vec::new(), seats: HashMap::new() }
    }

    /// The room on a worker, from now on if it was not there.
    fn part(&mut self, worker: usize) -> &mut Part {
        let index = self.parts.iter().position(|part| part.worker == worker);
        let index = index.unwrap_or_else(|| {
            self.parts.push(Part { worker, pending_joins: 0, since: 0, joined: 0, closed: 0 });
            self.parts.len() - 1
        });
        &mut self.parts[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> PersonId {
        PersonId::generate()
    }

    /// Seats somebody; their worker.
    fn seat(placement: &mut Placement, room: CallId, person: PersonId, stamp: u64) -> usize {
        let place = placement.join(room, person).expect("the room is not full");
        placement.joined(room, person, Some(stamp));
        place.worker
    }

    #[test]
    fn rooms_go_to_the_least_loaded_worker_and_stay_there() {
        let mut placement = Placement::new(2, 10, 50);
        let rooms: Vec<_> = (0..4).map(|_| CallId::generate()).collect();
        let workers: Vec<_> =
            rooms.iter().map(|room| seat(&mut placement, *room, person(), 1)).collect();
        assert_eq!(workers, [0, 1, 0, 1]);
        assert_eq!(placement.closed(rooms[0], 0, 2), Closed::Room { rest: vec![0] });
        assert!(!placement.has(rooms[0]));
        assert_eq!(seat(&mut placement, CallId::generate(), person(), 3), 0);
        assert_eq!(seat(&mut placement, rooms[1], person(), 3), 1);
    }

    #[test]
    fn old_news_of_a_closing_does_not_end_a_newer_room() {
        let mut placement = Placement::new(1, 10, 50);
        let (room, one) = (CallId::generate(), person());
        seat(&mut placement, room, one, 1);
        // Closed (stamp 2) and joined again (stamp 3); the news come in any order.
        assert!(placement.join(room, one).is_some());
        let told = Closed::Room { rest: Vec::new() };
        assert_eq!(placement.closed(room, 0, 2), told);
        placement.joined(room, one, Some(3));
        assert_eq!(placement.home(room), Some(0));
        assert_eq!(placement.closed(room, 0, 2), told);
        placement.gone(room, one, 0, 2);
        assert_eq!(placement.load, [1]);
        assert_eq!(placement.closed(room, 0, 4), Closed::Room { rest: vec![0] });
        assert_eq!((placement.load, placement.rooms.len()), (vec![0], 0));
    }

    #[test]
    fn a_refused_first_join_leaves_nothing() {
        let mut placement = Placement::new(1, 10, 50);
        let (room, one) = (CallId::generate(), person());
        assert!(placement.join(room, one).is_some());
        placement.joined(room, one, None);
        assert!(placement.is_empty());
        assert_eq!(placement.load, [0]);
    }

    #[test]
    fn a_large_room_spreads_and_everybody_keeps_their_worker() {
        let mut placement = Placement::new(3, 2, 8);
        let room = CallId::generate();
        let people: Vec<_> = (0..8).map(|_| person()).collect();
        let workers: Vec<_> = (1..)
            .zip(&people)
            .map(|(stamp, person)| seat(&mut placement, room, *person, stamp))
            .collect();
        assert_eq!(workers, [0, 0, 1, 1, 2, 2, 0, 1]);
        assert_eq!(placement.workers(room), [0, 1, 2]);
        assert_eq!(placement.join(room, person()), None, "full");
        let again = placement.join(room, people[4]).expect("they have a seat");
        assert_eq!(again, Place { worker: 2, others: vec![0, 1] });
        placement.joined(room, people[4], None);
        assert_eq!(placement.worker_of(room, people[4]), Some(2), "the old session goes on");
        assert_eq!(placement.worker_of(room, person()), Some(0));
        placement.left(room, people[0]);
        assert_eq!(placement.load, [2, 3, 2]);
        assert_eq!(seat(&mut placement, room, person(), 20), 0);
    }

    #[test]
    fn a_branch_may_end_empty_and_a_lost_one_ends_the_room() {
        let mut placement = Placement::new(3, 1, 8);
        let room = CallId::generate();
        let people: Vec<_> = (0..3).map(|_| person()).collect();
        for (stamp, person) in (1..).zip(&people) {
            seat(&mut placement, room, *person, stamp);
        }
        placement.gone(room, people[1], 1, 5);
        assert_eq!(placement.closed(room, 1, 6), Closed::Part);
        assert_eq!(placement.workers(room), [0, 2]);
        // The news of it once more, and somebody gets a seat there anew.
        assert_eq!(placement.closed(room, 1, 6), Closed::Part);
        let place = placement.join(room, people[1]).expect("there is room");
        assert_eq!(place, Place { worker: 1, others: vec![0, 2] });
        placement.joined(room, people[1], Some(7));

        assert_eq!(placement.closed(room, 2, 8), Closed::Room { rest: vec![0, 2, 1] });
        assert!(placement.is_empty());
        assert_eq!(placement.load, [0, 0, 0]);
    }

    #[test]
    fn a_join_that_was_over_before_its_answer_was_read_gives_no_seat() {
        let mut placement = Placement::new(2, 1, 8);
        let room = CallId::generate();
        let (one, two) = (person(), person());
        seat(&mut placement, room, one, 1);
        // Joined (stamp 7) and closed (stamp 8) at the branch; the news come in this order.
        assert!(placement.join(room, two).is_some());
        assert_eq!(placement.closed(room, 1, 8), Closed::Part);
        assert!(!placement.joined(room, two, Some(7)));
        assert_eq!((placement.workers(room), &placement.load), (vec![0], &vec![1, 0]));
        // And so for one who had a session there before.
        assert!(placement.join(room, two).is_some());
        assert!(placement.joined(room, two, Some(9)));
        assert!(placement.join(room, two).is_some());
        assert_eq!(placement.closed(room, 1, 11), Closed::Part);
        assert!(!placement.joined(room, two, Some(10)));
        assert_eq!((placement.workers(room), &placement.load), (vec![0], &vec![1, 0]));
    }

    #[test]
    fn the_end_of_an_earlier_room_is_not_told_again() {
        let mut placement = Placement::new(2, 1, 8);
        let room = CallId::generate();
        let (one, two) = (person(), person());
        seat(&mut placement, room, one, 1);
        seat(&mut placement, room, two, 1);
        assert_eq!(placement.closed(room, 1, 3), Closed::Room { rest: vec![0, 1] });
        // The home was told to close, and says so when somebody is about to join again.
        assert!(placement.join(room, one).is_some());
        assert_eq!(placement.closed(room, 0, 4), Closed::Part);
        assert!(placement.joined(room, one, Some(5)));
        assert_eq!(placement.closed(room, 0, 4), Closed::Part);
        assert_eq!(placement.worker_of(room, one), Some(0));
        assert_eq!(placement.closed(room, 0, 6), Closed::Room { rest: vec![0] });
    }

    #[test]
    fn a_home_that_begins_anew_has_no_branches() {
        let mut placement = Placement::new(3, 2, 8);
        let room = CallId::generate();
        let people: Vec<_> = (0..4).map(|_| person()).collect();
        for (stamp, person) in (1..).zip(&people) {
            seat(&mut placement, room, *person, stamp);
        }
        assert_eq!(placement.workers(room), [0, 1]);
        // One is about to join again when the news of the home's end is read.
        assert!(placement.join(room, people[0]).is_some());
        assert_eq!(placement.closed(room, 0, 20), Closed::Room { rest: vec![1] });
        assert!(placement.joined(room, people[0], Some(21)));
        assert_eq!(placement.closed(room, 1, 20), Closed::Part, "its end was told");
        assert_eq!((placement.workers(room), &placement.load), (vec![0], &vec![1, 0, 0]));
        assert_eq!(seat(&mut placement, room, people[2], 22), 0);
    }

    #[test]
    fn late_news_of_a_session_elsewhere_takes_no_seat_away() {
        let mut placement = Placement::new(2, 1, 8);
        let room = CallId::generate();
        let (one, two) = (person(), person());
        seat(&mut placement, room, one, 90);
        placement.left(room, one);
        seat(&mut placement, room, two, 91);
        assert_eq!(seat(&mut placement, room, one, 3), 1, "the home is full");
        // The earlier session had ended by itself, too, and that is read now.
        placement.gone(room, one, 0, 92);
        assert_eq!(placement.worker_of(room, one), Some(1));
        placement.gone(room, one, 1, 4);
        assert_eq!(placement.worker_of(room, one), Some(0));
    }

    #[test]
    fn the_end_of_the_home_ends_the_room() {
        let mut placement = Placement::new(2, 1, 8);
        let room = CallId::generate();
        let (one, two) = (person(), person());
        seat(&mut placement, room, one, 1);
        seat(&mut placement, room, two, 1);
        placement.left(room, one);
        assert_eq!(placement.closed(room, 0, 2), Closed::Room { rest: vec![0, 1] });
    }
}

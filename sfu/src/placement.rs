//! Which worker each room lives on.
//!
//! A worker decides when a room ends, the service where one begins, and the news
//! of both cross: a room may be closed and joined again before the news of the
//! closing is read here. So a worker stamps all it says with a growing number, and
//! only news that is newer than the last join ends a placement.

use std::collections::HashMap;

use housecall_protocol::ids::CallId;

#[derive(Debug)]
pub(crate) struct Placement {
    rooms: HashMap<CallId, Room>,
    /// Rooms per worker.
    load: Vec<usize>,
}

#[derive(Debug)]
struct Room {
    worker: usize,
    /// Joins whose answer is outstanding.
    pending_joins: usize,
    joined: u64,
    closed: u64,
}

impl Placement {
    pub(crate) fn new(workers: usize) -> Self {
        Self { rooms: HashMap::new(), load: vec![0; workers] }
    }

    /// The worker of a room that exists.
    pub(crate) fn worker(&self, room: CallId) -> Option<usize> {
        self.rooms.get(&room).map(|room| room.worker)
    }

    pub(crate) fn rooms(&self) -> impl Iterator<Item = CallId> {
        self.rooms.keys().copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// The worker of a room that is about to be joined: its own, or the one with
    /// the fewest rooms. Every call is followed by one of [`Self::joined`].
    pub(crate) fn join(&mut self, room: CallId) -> usize {
        let load = &mut self.load;
        let room = self.rooms.entry(room).or_insert_with(|| {
            let worker = (0..load.len()).min_by_key(|worker| load[*worker]).unwrap_or(0);
            load[worker] += 1;
            Room { worker, pending_joins: 0, joined: 0, closed: 0 }
        });
        room.pending_joins += 1;
        room.worker
    }

    /// A join was answered: with the worker's stamp, or not at all.
    pub(crate) fn joined(&mut self, id: CallId, stamp: Option<u64>) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.pending_joins = room.pending_joins.saturating_sub(1);
        room.joined = room.joined.max(stamp.unwrap_or(0));
        self.forget_if_over(id);
    }

    /// The worker said that the room is closed.
    pub(crate) fn closed(&mut self, id: CallId, stamp: u64) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.closed = room.closed.max(stamp);
        self.forget_if_over(id);
    }

    fn forget_if_over(&mut self, id: CallId) {
        let Some(room) = self.rooms.get(&id) else { return };
        if room.pending_joins == 0 && room.joined <= room.closed {
            self.load[room.worker] -= 1;
            self.rooms.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_go_to_the_least_loaded_worker_and_stay_there() {
        let mut placement = Placement::new(2);
        let rooms: Vec<_> = (0..4).map(|_| CallId::generate()).collect();
        let workers: Vec<_> = rooms.iter().map(|room| placement.join(*room)).collect();
        assert_eq!(workers, [0, 1, 0, 1]);
        rooms.iter().for_each(|room| placement.joined(*room, Some(1)));
        placement.closed(rooms[0], 2);
        assert_eq!(placement.worker(rooms[0]), None);
        assert_eq!(placement.join(CallId::generate()), 0);
        assert_eq!(placement.join(rooms[1]), 1);
    }

    #[test]
    fn old_news_of_a_closing_does_not_end_a_newer_room() {
        let mut placement = Placement::new(1);
        let room = CallId::generate();
        placement.join(room);
        placement.joined(room, Some(1));
        // Closed (stamp 2) and joined again (stamp 3); the news come in any order.
        placement.join(room);
        placement.closed(room, 2);
        placement.joined(room, Some(3));
        assert_eq!(placement.worker(room), Some(0));
        placement.closed(room, 2);
        assert_eq!(placement.worker(room), Some(0));
        placement.closed(room, 4);
        assert_eq!(placement.worker(room), None);
        assert_eq!(placement.load, [0]);
    }

    #[test]
    fn a_refused_first_join_leaves_nothing() {
        let mut placement = Placement::new(1);
        let room = CallId::generate();
        placement.join(room);
        placement.joined(room, None);
        assert_eq!(placement.worker(room), None);
    }
}

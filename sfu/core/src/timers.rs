//! When each participant must be polled next.
//!
//! Lazy: a deadline that moves later costs nothing now; its old entry comes up,
//! is found early, and is put back. So a participant that is polled with every
//! packet has one entry in the heap, not one per packet.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::slab::Key;

#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Key)>>,
    /// By the key's place: this is looked at with every packet.
    state: Vec<Option<Deadline>>,
    len: usize,
}

#[derive(Debug)]
struct Deadline {
    key: Key,
    /// When the participant wants to be polled.
    due: Instant,
    /// The time of its live heap entry; never later than `due`.
    queued: Instant,
}

impl Timers {
    pub(crate) fn set(&mut self, key: Key, due: Instant) {
        let place = key.place();
        if place >= self.state.len() {
            self.state.resize_with(place + 1, || None);
        }
        let state = &mut self.state[place];
        match state {
            Some(deadline) if deadline.key == key && deadline.queued <= due => {
                deadline.due = due;
                return;
            }
            Some(_) => {}
            None => self.len += 1,
        }
        *state = Some(Deadline { key, due, queued: due });
        self.heap.push(Reverse((due, key)));
    }

    pub(crate) fn remove(&mut self, key: Key) {
        if let Some(state) = self.state.get_mut(key.place())
            && state.take_if(|deadline| deadline.key == key).is_some()
        {
            self.len -= 1;
        }
    }

    /// Takes one participant that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Key> {
        while let Some(&Reverse((at, key))) = self.heap.peek() {
            if at > now {
                return None;
            }
            self.heap.pop();
            let Some(Some(deadline)) = self.state.get_mut(key.place()) else { continue };
            if deadline.key != key || deadline.queued != at {
                continue;
            }
            if deadline.due > now {
                deadline.queued = deadline.due;
                self.heap.push(Reverse((deadline.due, key)));
                continue;
            }
            self.remove(key);
            return Some(key);
        }
        None
    }

    /// When to look again. May be early, never late.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::slab::Slab;

    #[test]
    fn a_deadline_may_move_both_ways() {
        let mut slab = Slab::new();
        let (a, b) = (slab.insert(()), slab.insert(()));
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();

        timers.set(a, at(10));
        timers.set(b, at(20));
        timers.set(a, at(30));
        timers.set(b, at(5));

        assert_eq!(timers.pop_due(at(4)), None);
        assert_eq!(timers.pop_due(at(6)), Some(b));
        assert_eq!(timers.pop_due(at(29)), None);
        assert_eq!(timers.pop_due(at(30)), Some(a));
        assert_eq!(timers.pop_due(at(100)), None);
        assert_eq!(timers.next(), None);
        assert_eq!(timers.len(), 0);
    }
}

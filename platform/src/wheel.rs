//! A hashed timing wheel: very many deadlines at the price of one timer.
//!
//! Without a clock inside: whoever owns it says what time it is. Deadlines are kept
//! to the tick and fire late by less than one, never early. There is no removal:
//! what is no longer wanted is dropped by its owner when it comes, which costs less
//! than finding it.

use std::time::Duration;

/// Keys with deadlines. Inserting is O(1); a tick costs what lies in its slot.
#[derive(Debug)]
pub struct Wheel<K> {
    tick: Duration,
    slots: Vec<Vec<Entry<K>>>,
    /// The first tick that has not been visited.
    cursor: u64,
    /// Due, and not yet taken.
    ready: Vec<Entry<K>>,
    length: usize,
}

#[derive(Debug)]
struct Entry<K> {
    due_tick: u64,
    key: K,
}

impl<K> Wheel<K> {
    /// A deadline farther away than `slots` ticks is looked at once in every turn
    /// of the wheel, so take as many as the usual deadline needs.
    ///
    /// # Panics
    /// When `tick` or `slots` is zero.
    pub fn new(tick: Duration, slots: usize) -> Self {
        assert!(!tick.is_zero() && slots > 0, "a wheel turns");
        let slots = std::iter::repeat_with(Vec::new).take(slots).collect();
        Self { tick, slots, cursor: 0, ready: Vec::new(), length: 0 }
    }

    /// How many deadlines there are.
    pub const fn len(&self) -> usize {
        self.length
    }

    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds a deadline, measured from the same instant as [`Self::pop_due`]'s time.
    pub fn insert(&mut self, due: Duration, key: K) {
        self.length += 1;
        let due_tick = self.ticks(due, Rounding::Up);
        let entry = Entry { due_tick, key };
        if due_tick < self.cursor {
            self.ready.push(entry);
        } else {
            let place = self.place(due_tick);
            self.slots[place].push(entry);
        }
    }

    /// Takes one key whose deadline has come, and says when that was, to the tick.
    /// Earlier ticks come first, unless nobody looked for a whole turn; those of one
    /// tick come in no order.
    pub fn pop_due(&mut self, now: Duration) -> Option<(Duration, K)> {
        let now_tick = self.ticks(now, Rounding::Down);
        while self.ready.is_empty() && self.cursor <= now_tick {
            if self.is_empty() {
                self.cursor = now_tick + 1;
                break;
            }
            // After a long pause every slot is visited once, not every tick.
            let turn = self.slots.len() as u64;
            self.cursor = self.cursor.max((now_tick + 1).saturating_sub(turn));
            self.visit(now_tick);
            self.cursor += 1;
        }
        let entry = self.ready.pop()?;
        self.length -= 1;
        Some((self.time(entry.due_tick), entry.key))
    }

    fn visit(&mut self, now_tick: u64) {
        let place = self.place(self.cursor);
        // Taken whole: a slot that was crowded once gives its memory back.
        for entry in std::mem::take(&mut self.slots[place]) {
            if entry.due_tick <= now_tick {
                self.ready.push(entry);
            } else {
                self.slots[place].push(entry);
            }
        }
    }

    /// When to look again: the next deadline, or earlier.
    pub fn next(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(self.time(self.cursor.saturating_sub(1)));
        }
        let turn = self.slots.len() as u64;
        let mut ticks = self.cursor..self.cursor + turn;
        ticks.find(|tick| !self.slots[self.place(*tick)].is_empty()).map(|tick| self.time(tick))
    }

    fn place(&self, tick: u64) -> usize {
        usize::try_from(tick % self.slots.len() as u64).unwrap_or(0)
    }

    fn ticks(&self, time: Duration, rounding: Rounding) -> u64 {
        let (time, tick) = (time.as_nanos(), self.tick.as_nanos());
        let ticks = match rounding {
            Rounding::Up => time.div_ceil(tick),
            Rounding::Down => time / tick,
        };
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    fn time(&self, tick: u64) -> Duration {
        let nanos = self.tick.as_nanos().saturating_mul(u128::from(tick));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[derive(Clone, Copy)]
enum Rounding {
    Up,
    Down,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK: Duration = Duration::from_millis(250);

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![(0..9_000_u64).prop_map(Step::Insert), (0..5_000_u64).prop_map(Step::Wait)]
    }

    proptest! {
        /// Against a plain list: nothing early, nothing a tick late, nothing lost.
        #[test]
        fn fires_each_once_and_on_time(steps in proptest::collection::vec(step(), 0..80)) {
            let mut wheel = Wheel::new(TICK, 8);
            let mut waiting: Vec<(Duration, usize)> = Vec::new();
            let mut now = Duration::ZERO;
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Insert(after_ms) => {
                        let due = now + Duration::from_millis(after_ms);
                        wheel.insert(due, number);
                        waiting.push((due, number));
                    }
                    Step::Wait(ms) => now += Duration::from_millis(ms),
                }
                while let Some((at, key)) = wheel.pop_due(now) {
                    let place = waiting.iter().position(|(_, one)| *one == key);
                    prop_assert!(place.is_some(), "fired twice");
                    let (due, _) = waiting.remove(place.unwrap());
                    prop_assert!(due <= now, "early");
                    prop_assert!(due <= at && at < due + TICK, "it says when");
                }
                prop_assert!(waiting.iter().all(|(due, _)| *due + TICK > now), "late");
                prop_assert_eq!(wheel.len(), waiting.len());
                let earliest = waiting.iter().map(|(due, _)| *due).min();
                prop_assert_eq!(wheel.next().is_some(), earliest.is_some());
                if let (Some(next), Some(earliest)) = (wheel.next(), earliest) {
                    prop_assert!(next < earliest + TICK && next > now);
                }
            }
        }
    }

    #[test]
    fn a_long_pause_costs_one_turn() {
        let mut wheel = Wheel::new(TICK, 8);
        wheel.insert(TICK, "soon");
        wheel.insert(Duration::from_secs(40_000_000), "in a year");
        let a_year = Duration::from_secs(31_536_000);
        assert_eq!(wheel.pop_due(a_year), Some((TICK, "soon")));
        assert_eq!(wheel.pop_due(a_year), None);
        let later = Duration::from_secs(40_000_000);
        assert_eq!(wheel.pop_due(later), Some((later, "in a year")));
    }
}

//! What is due when: one ordered structure for all leases and graces.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

/// A deadline per key. Moving a deadline later, which every beat does to every
/// lease, only touches the map: the queue learns of it when the old time comes.
pub(super) struct Deadlines<K> {
    entries: HashMap<K, Entry>,
    queue: BTreeSet<(Duration, K)>,
}

struct Entry {
    due: Duration,
    /// Where the key stands in the queue; never later than `due`.
    queued: Duration,
}

impl<K: Copy + Eq + Hash + Ord> Deadlines<K> {
    pub(super) fn new() -> Self {
        Self { entries: HashMap::new(), queue: BTreeSet::new() }
    }

    pub(super) fn set(&mut self, key: K, due: Duration) {
        let entry = self.entries.entry(key).or_insert_with(|| {
            self.queue.insert((due, key));
            Entry { due, queued: due }
        });
        entry.due = due;
        if due < entry.queued {
            self.queue.remove(&(entry.queued, key));
            self.queue.insert((due, key));
            entry.queued = due;
        }
    }

    pub(super) fn clear(&mut self, key: K) {
        if let Some(entry) = self.entries.remove(&key) {
            self.queue.remove(&(entry.queued, key));
        }
    }

    /// Removes one key whose deadline has come, earliest first, and says when it was.
    pub(super) fn pop_due(&mut self, now: Duration) -> Option<(Duration, K)> {
        while let Some((queued, key)) = self.queue.first().copied() {
            if queued > now {
                return None;
            }
            self.queue.pop_first();
            let entry = self.entries.get_mut(&key).expect("every queued key has an entry");
            if entry.due == queued {
                self.entries.remove(&key);
                return Some((queued, key));
            }
            entry.queued = entry.due;
            self.queue.insert((entry.due, key));
        }
        None
    }

    /// When to look again: the next deadline, or earlier.
    pub(super) fn next(&self) -> Option<Duration> {
        self.queue.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::Deadlines;

    #[derive(Clone, Debug)]
    enum Step {
        Set(u8, u64),
        Clear(u8),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..6_u8, 0..40_u64).prop_map(|(key, after)| Step::Set(key, after)),
            (0..6_u8).prop_map(Step::Clear),
            (0..30_u64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn behaves_as_a_plain_map(steps in proptest::collection::vec(step(), 0..60)) {
            let mut deadlines = Deadlines::new();
            let mut model = HashMap::new();
            let mut now = Duration::ZERO;
            for step in steps {
                match step {
                    Step::Set(key, after) => {
                        let due = now + Duration::from_secs(after);
                        deadlines.set(key, due);
                        model.insert(key, due);
                    }
                    Step::Clear(key) => {
                        deadlines.clear(key);
                        model.remove(&key);
                    }
                    Step::Wait(seconds) => now += Duration::from_secs(seconds),
                }
                let mut expected: Vec<_> =
                    model.iter().filter(|(_, due)| **due <= now).map(|(k, d)| (*d, *k)).collect();
                expected.sort_unstable();
                model.retain(|_, due| *due > now);
                let popped: Vec<_> = std::iter::from_fn(|| deadlines.pop_due(now)).collect();
                prop_assert_eq!(popped, expected);
                let earliest = model.values().min().copied();
                prop_assert_eq!(deadlines.next().is_some(), earliest.is_some());
                prop_assert!(deadlines.next() <= earliest);
                prop_assert!(deadlines.next().is_none_or(|at| at > now));
            }
        }
    }
}

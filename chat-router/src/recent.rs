//! What was told, or answered, a short while ago. A bounded map with an age limit.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

pub(crate) struct Recent<K, V> {
    entries: HashMap<K, (Instant, V)>,
    max_age: Duration,
    capacity: usize,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    pub(crate) fn new(max_age: Duration, capacity: usize) -> Self {
        Self { entries: HashMap::new(), max_age, capacity }
    }

    pub(crate) fn find(&self, now: Instant, key: &K) -> Option<V> {
        let (at, value) = self.entries.get(key)?;
        (now.duration_since(*at) < self.max_age).then(|| value.clone())
    }

    /// A full map first forgets what is too old, then, if that was not enough,
    /// everything: it only saves work, so losing it costs a few queries.
    pub(crate) fn remember(&mut self, now: Instant, key: K, value: V) {
        if self.entries.len() >= self.capacity {
            let max_age = self.max_age;
            self.entries.retain(|_, (at, _)| now.duration_since(*at) < max_age);
            if self.entries.len() >= self.capacity {
                self.entries.clear();
            }
        }
        self.entries.insert(key, (now, value));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Recent;

    #[test]
    fn forgets_by_age_and_stays_within_its_capacity() {
        let start = Instant::now();
        let mut recent = Recent::new(Duration::from_secs(2), 3);
        for key in 0..3 {
            recent.remember(start, key, key);
        }
        assert_eq!(recent.find(start, &1), Some(1));
        let later = start + Duration::from_secs(2);
        assert_eq!(recent.find(later, &1), None);
        for key in 10..100 {
            recent.remember(later, key, key);
            assert!(recent.entries.len() <= 3);
            assert_eq!(recent.find(later, &key), Some(key));
        }
    }
}

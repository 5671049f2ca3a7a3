//! A space of numbers without those that were left out on purpose.
//!
//! What the relay drops leaves no hole, or its receivers would ask for it again; what
//! the network lost does. Numbers come in any order: each one, once given, stays.

/// Numbers behind the newest that are still told apart. A packet that is repaired
/// later than this is of no use.
const WINDOW: u64 = 1024;
const WORDS: usize = WINDOW as usize / 64;

/// Which numbers were left out.
#[derive(Clone, Debug)]
pub(super) struct Gaps {
    newest: Option<u64>,
    /// How many were left out in all.
    skipped: u64,
    /// A bit for each number of the window.
    recent: [u64; WORDS],
}

impl Gaps {
    pub(super) const fn new() -> Self {
        Self { newest: None, skipped: 0, recent: [0; WORDS] }
    }

    /// The new number; `None` for one that was left out, or is too old to say.
    pub(super) fn pass(&mut self, number: u64) -> Option<u64> {
        self.advance(number);
        let behind = self.newest? - number;
        if behind >= WINDOW || self.is_skipped(number) {
            return None;
        }
        if self.skipped == 0 {
            return Some(number);
        }
        Some(number - (self.skipped - self.skipped_after(number, behind)))
    }

    /// Leaves a number out. One that others have passed already keeps its hole.
    pub(super) fn skip(&mut self, number: u64) {
        if self.newest.is_none_or(|newest| number > newest) {
            self.advance(number);
            if let Some(word) = self.recent.get_mut(word(number)) {
                *word |= bit(number);
            }
            self.skipped += 1;
        }
    }

    fn advance(&mut self, number: u64) {
        let Some(newest) = self.newest else {
            self.newest = Some(number);
            return;
        };
        if number <= newest {
            return;
        }
        if number - newest >= WINDOW {
            self.recent = [0; WORDS];
        } else {
            for passed in newest + 1..=number {
                if let Some(word) = self.recent.get_mut(word(passed)) {
                    *word &= !bit(passed);
                }
            }
        }
        self.newest = Some(number);
    }

    fn is_skipped(&self, number: u64) -> bool {
        self.recent.get(word(number)).is_some_and(|word| word & bit(number) != 0)
    }

    /// How many of the `behind` numbers after this one were left out.
    fn skipped_after(&self, number: u64, behind: u64) -> u64 {
        if behind == 0 {
            return 0;
        }
        (number + 1..=number + behind).filter(|later| self.is_skipped(*later)).count() as u64
    }
}

const fn word(number: u64) -> usize {
    (number % WINDOW / 64) as usize
}

const fn bit(number: u64) -> u64 {
    1 << (number % 64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_left_out_leaves_no_hole_and_what_is_lost_does() {
        let mut gaps = Gaps::new();
        assert_eq!(gaps.pass(10), Some(10));
        gaps.skip(11);
        gaps.skip(12);
        assert_eq!(gaps.pass(13), Some(11));
        // 14 is lost; 15 is left out; 14 comes late after all.
        gaps.skip(15);
        assert_eq!(gaps.pass(16), Some(13));
        assert_eq!(gaps.pass(14), Some(12));
        assert_eq!(gaps.pass(12), None);
        // Another packet of the same picture has its number.
        assert_eq!(gaps.pass(16), Some(13));
        assert_eq!(gaps.pass(16 + WINDOW), Some(13 + WINDOW));
        assert_eq!(gaps.pass(16), None);
    }

    proptest! {
        /// Numbers are given once, keep their order, and in a stream without loss follow
        /// each other.
        #[test]
        fn order_is_kept_and_nothing_is_given_twice(
            start in 0..u64::MAX / 2, keep in prop::collection::vec(any::<bool>(), 1..300),
            swaps in prop::collection::vec((any::<prop::sample::Index>(), 1..8_usize), 0..60),
        ) {
            let mut order: Vec<_> = (0..keep.len()).collect();
            for (at, distance) in swaps {
                let at = at.index(order.len());
                let other = (at + distance).min(order.len() - 1);
                order.swap(at, other);
            }
            let mut gaps = Gaps::new();
            let mut given = HashMap::new();
            for index in order {
                let number = start + index as u64;
                if keep[index] {
                    if let Some(new) = gaps.pass(number) {
                        prop_assert!(given.insert(new, number).is_none());
                        prop_assert_eq!(gaps.pass(number), Some(new));
                    }
                } else {
                    gaps.skip(number);
                }
            }
            let mut pairs: Vec<_> = given.into_iter().collect();
            pairs.sort_unstable();
            prop_assert!(pairs.windows(2).all(|pair| pair[0].1 < pair[1].1));
        }

        #[test]
        fn without_reordering_there_is_no_hole(keep in prop::collection::vec(any::<bool>(), 1..3000)) {
            let mut gaps = Gaps::new();
            let mut expected = None;
            for (number, keep) in keep.into_iter().enumerate() {
                if keep {
                    let new = gaps.pass(number as u64);
                    prop_assert!(new.is_some());
                    prop_assert!(expected.is_none() || new == expected);
                    expected = new.map(|new| new + 1);
                } else {
                    gaps.skip(number as u64);
                }
            }
        }
    }
}

//! Whether somebody else keeps the queue long.
//!
//! Who answers delay yields to whoever answers only loss: beside a file transfer the
//! queue never empties, and each of our steps back is taken by the other. That is
//! recognised by the steps having changed nothing. From then on loss is answered
//! instead of delay, until the queue is short again.

/// A queue this short is nobody's.
const SHORT_US: i64 = 40_000;
/// A queue of our own empties within this time once we step back: 15% of the rate
/// drain 300 ms in two seconds.
const PATIENCE_US: u64 = 4_000_000;
/// Steps back in vain.
const STEPS: u32 = 3;

#[derive(Debug)]
pub(super) struct Contest {
    short_at_us: u64,
    steps: u32,
}

impl Contest {
    pub(super) const fn new() -> Self {
        Self { short_at_us: 0, steps: 0 }
    }

    pub(super) const fn is_on(&self, now_us: u64) -> bool {
        self.steps >= STEPS && now_us.saturating_sub(self.short_at_us) >= PATIENCE_US
    }

    /// `fell`: the rate was just reduced because of delay.
    pub(super) const fn update(&mut self, now_us: u64, wait_us: i64, fell: bool) {
        if wait_us < SHORT_US {
            self.short_at_us = now_us;
            self.steps = 0;
        } else if fell {
            self.steps = self.steps.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_on_when_steps_back_change_nothing_and_off_when_the_queue_empties() {
        let mut contest = Contest::new();
        for second in 0..4 {
            contest.update(second * 1_000_000, 200_000, true);
            assert!(!contest.is_on(second * 1_000_000));
        }
        assert!(contest.is_on(4_000_000));
        contest.update(4_100_000, 10_000, false);
        assert!(!contest.is_on(4_100_000));
    }

    #[test]
    fn a_queue_of_our_own_empties_in_time() {
        let mut contest = Contest::new();
        contest.update(0, 300_000, true);
        contest.update(300_000, 250_000, true);
        contest.update(2_000_000, 30_000, false);
        assert!(!contest.is_on(5_000_000));
    }
}

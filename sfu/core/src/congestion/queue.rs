//! How long packets wait on the way: one-way delay over the smallest one seen.

/// The smallest delay is looked for in the last one to two of these: long enough that a
/// file transfer does not pass for the way itself, short enough that 200 ppm between
/// the clocks are 12 ms.
const EPOCH_US: u64 = 30_000_000;
/// While others keep the queue long nobody sees the way itself. What is known of it rises
/// by this in each epoch at most: by 170 ppm.
const BLIND_RISE_US: i64 = 5_000;
/// A step down of more than this is a clock that was set.
const CLOCK_JUMP_US: i64 = 3_000_000;

/// A rise of the wait from one report to the next that counts.
const RISE_US: i64 = 20_000;
/// And the wait from which on it is a queue.
const FULL_US: i64 = 80_000;

/// Both clocks have their own origin, so only differences mean anything.
#[derive(Debug)]
pub(super) struct Queue {
    epoch_start_us: u64,
    earlier: Option<i64>,
    current: Option<i64>,
    /// Smallest delay in the feedback that is being read.
    least: Option<i64>,
    wait_us: i64,
    /// Rises in a row.
    rises: u32,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self { epoch_start_us: 0, earlier: None, current: None, least: None, wait_us: 0, rises: 0 }
    }

    /// Microseconds that the least delayed packet of the last feedback waited.
    pub(super) const fn wait_us(&self) -> i64 {
        self.wait_us
    }

    /// Whether the queue grows so fast that there is no need of statistics: a link
    /// that lost most of its rate. One long step is another route, and the least
    /// delayed packet of a report knows nothing of jitter.
    pub(super) const fn is_filling(&self) -> bool {
        self.rises >= 2 && self.wait_us > FULL_US
    }

    /// So much of what packets wait is the way itself.
    pub(super) fn accept(&mut self, way_us: i64) {
        self.current = self.base().map(|base| base.saturating_add(way_us));
        (self.earlier, self.rises) = (None, 0);
        self.wait_us = self.wait_us.saturating_sub(way_us).max(0);
    }

    pub(super) fn add(&mut self, sent_us: u64, arrival_us: i64) {
        let delay = arrival_us.saturating_sub_unsigned(sent_us);
        self.least = Some(self.least.map_or(delay, |least| least.min(delay)));
    }

    /// The feedback is read. `contested`: others keep the queue long.
    pub(super) fn update(&mut self, now_us: u64, contested: bool) {
        let Some(least) = self.least.take() else { return };
        let base = self.base();
        if base.is_some_and(|base| base.saturating_sub(least) > CLOCK_JUMP_US) {
            *self = Self::new();
        }
        if now_us.saturating_sub(self.epoch_start_us) >= EPOCH_US {
            self.epoch_start_us = now_us;
            let blind = base.filter(|_| contested).map(|base| base + BLIND_RISE_US);
            self.earlier = [self.current.take(), blind].into_iter().flatten().min();
        }
        self.current = Some(self.current.map_or(least, |known| known.min(least)));
        let wait_us = least.saturating_sub(self.base().unwrap_or(least));
        let rises = wait_us.saturating_sub(self.wait_us) > RISE_US;
        self.rises = if rises { self.rises + 1 } else { 0 };
        self.wait_us = wait_us;
    }

    fn base(&self) -> Option<i64> {
        [self.earlier, self.current].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_measures_the_wait_and_follows_a_longer_way() {
        let mut queue = Queue::new();
        let mut feed = |at_us: u64, delay_us: i64, contested: bool| {
            queue.add(at_us, at_us as i64 + 7_000_000 + delay_us);
            queue.update(at_us, contested);
            queue.wait_us()
        };
        assert_eq!(feed(0, 50_000, false), 0);
        assert_eq!(feed(100_000, 80_000, false), 30_000);
        assert_eq!(feed(29_000_000, 51_000, false), 1_000);
        // The route is 60 ms longer from now on: after two epochs that is the base.
        assert_eq!(feed(31_000_000, 111_000, false), 61_000);
        assert_eq!(feed(92_000_000, 111_000, false), 0);
        // A queue of others does not pass for the way.
        for second in (92..300).step_by(10) {
            let wait_us = feed(second * 1_000_000, 311_000, true);
            assert!((150_000..=200_000).contains(&wait_us), "{wait_us}");
        }
    }
}

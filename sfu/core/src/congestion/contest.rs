//! Whether somebody else keeps the queue long.
//!
//! Who answers delay yields to whoever answers only loss: beside a file transfer the
//! queue never empties, and each of our steps back is taken by the other. That is
//! recognised by the steps having changed nothing: the queue is long all the time, and not
//! because more arrives than is sent, as it does from a queue of our own. From then on loss
//! is answered instead of delay, as the other does, until the queue is short again (the
//! idea of Copa's second mode, Arun and Balakrishnan 2018). What the steps gave away in
//! vain is taken back at once, up to half: there are two now.

/// A queue this short is nobody's.
const SHORT_US: i64 = 40_000;
/// A queue of our own empties within this time once we step back: 15% of the rate
/// drain 300 ms in two seconds.
const PATIENCE_US: u64 = 4_000_000;
/// Steps back in vain.
const STEPS: u32 = 3;
/// More than this multiple of what is sent arrives while a queue of our own empties.
const EMPTYING: f64 = 1.15;
/// The multiple is a mean over about this time.
const MEAN_US: f64 = 1e6;
/// Part of the rate from before that is taken back.
const SHARE: f64 = 0.5;

/// What a report says of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    pub(super) wait_us: i64,
    /// The rate was just reduced because of delay.
    pub(super) fell: bool,
    pub(super) rate_bps: f64,
    pub(super) acked_bps: Option<f64>,
    pub(super) sent_bps: f64,
}

#[derive(Debug)]
pub(super) struct Contest {
    short_at_us: u64,
    /// The rate then.
    before_bps: f64,
    heard_at_us: u64,
    /// What arrives as a multiple of what is sent.
    arriving: f64,
    steps: u32,
    on: bool,
}

impl Contest {
    pub(super) const fn new() -> Self {
        let (arriving, before_bps) = (1.0, 0.0);
        Self { short_at_us: 0, before_bps, heard_at_us: 0, arriving, steps: 0, on: false }
    }

    pub(super) const fn is_on(&self) -> bool {
        self.on
    }

    /// The rate to take back, when it shows that others are there.
    pub(super) fn update(&mut self, now_us: u64, news: News) -> Option<f64> {
        self.compare(now_us, news);
        if news.wait_us < SHORT_US {
            self.short_at_us = now_us;
            self.before_bps = news.rate_bps;
            (self.steps, self.on) = (0, false);
            return None;
        }
        self.steps = self.steps.saturating_add(u32::from(news.fell));
        let long = now_us.saturating_sub(self.short_at_us) >= PATIENCE_US;
        let begins = !self.on && long && self.steps >= STEPS && self.arriving < EMPTYING;
        self.on |= begins;
        begins.then_some(SHARE * self.before_bps)
    }

    fn compare(&mut self, now_us: u64, news: News) {
        let elapsed_us = now_us.saturating_sub(self.heard_at_us);
        self.heard_at_us = now_us;
        let Some(acked_bps) = news.acked_bps.filter(|_| news.sent_bps > 0.0) else { return };
        let multiple = (acked_bps / news.sent_bps).min(4.0);
        self.arriving += (multiple - self.arriving) * (elapsed_us as f64 / MEAN_US).min(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: News = News {
        wait_us: 200_000,
        fell: true,
        rate_bps: 0.4e6,
        acked_bps: Some(0.4e6),
        sent_bps: 0.4e6,
    };
    const SHORT: News = News { wait_us: 10_000, fell: false, rate_bps: 2e6, ..LONG };

    /// Reports of second 1 to 6; what is to be taken back, and when.
    fn hear(contest: &mut Contest, news: News) -> Vec<(u64, f64)> {
        let times = (10..60).map(|tenth| tenth * 100_000);
        times.filter_map(|at_us| Some((at_us, contest.update(at_us, news)?))).collect()
    }

    #[test]
    fn it_is_on_when_steps_back_change_nothing_and_off_when_the_queue_empties() {
        let mut contest = Contest::new();
        contest.update(500_000, SHORT);
        assert_eq!(hear(&mut contest, LONG), [(4_500_000, 1e6)], "half of it, once");
        assert!(contest.is_on());
        contest.update(6_100_000, SHORT);
        assert!(!contest.is_on());
    }

    #[test]
    fn a_queue_that_nobody_steps_back_from_says_nothing() {
        let mut contest = Contest::new();
        assert_eq!(hear(&mut contest, News { fell: false, ..LONG }), []);
    }

    #[test]
    fn a_queue_of_our_own_may_take_longer_to_empty() {
        let mut contest = Contest::new();
        assert_eq!(hear(&mut contest, News { sent_bps: 0.3e6, ..LONG }), []);
        assert!(!contest.is_on());
    }
}

//! Whether somebody else keeps the queue long.
//!
//! Who answers delay yields to whoever answers only loss: beside a file transfer the
//! queue never empties, and each of our steps back is taken by the other. That is
//! recognised by the steps having changed nothing: the queue is long all the time, and not
//! because more arrives than is sent, as it does from a queue of our own. From then on loss
//! is answered instead of delay, as the other does, until the queue is short again (the
//! idea of Copa's second mode, Arun and Balakrishnan 2018). What the steps gave away in
//! vain is taken back at once, up to half: there are two now.
//!
//! Steps back change nothing either when the way itself became longer. Then the wait stands
//! still, which a queue that somebody fills until it overflows does not; or all that the
//! link carried before is ours, and what remains of the wait after a step back is the way.

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
/// A wait that moves less than this, for so long, is a longer way. A transfer's window that
/// grows by a packet a round trip moves a queue of 20 Mb/s by twice that.
const STILL_WAIT_US: i64 = 4_000;
const STILL_US: u64 = 1_500_000;
/// Who has this part of the rate from before has no other beside them.
const ALONE: f64 = 0.95;
/// A queue of our own is empty so long after a step back, and hardly grows again before.
const EMPTY_US: u64 = 2_000_000;
const EMPTY_WAIT_US: i64 = 8_000;
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

/// What follows from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    Nothing,
    /// Others are there: the rate to take back.
    Others {
        share_bps: f64,
    },
    /// Nobody is there: of what packets wait this much is the way.
    LongerWay {
        wait_us: i64,
    },
}

/// The shortest wait since a step back.
#[derive(Clone, Copy, Debug)]
struct Stepped {
    at_us: u64,
    least_us: i64,
}

/// Since when the wait stands still.
#[derive(Clone, Copy, Debug)]
struct Still {
    since_us: u64,
    least_us: i64,
    most_us: i64,
}

#[derive(Debug)]
pub(super) struct Contest {
    short_at_us: u64,
    /// The rate then.
    before_bps: f64,
    heard_at_us: u64,
    /// What arrives as a multiple of what is sent.
    arriving: f64,
    still: Still,
    steps: u32,
    on: bool,
    /// Since it is on, as much arrived as before.
    alone: bool,
    stepped: Option<Stepped>,
}

impl Contest {
    pub(super) const fn new() -> Self {
        Self {
            short_at_us: 0,
            before_bps: 0.0,
            heard_at_us: 0,
            arriving: 1.0,
            still: Still { since_us: 0, least_us: 0, most_us: 0 },
            steps: 0,
            on: false,
            alone: false,
            stepped: None,
        }
    }

    pub(super) const fn is_on(&self) -> bool {
        self.on
    }

    pub(super) fn update(&mut self, now_us: u64, news: News) -> Verdict {
        self.compare(now_us, news);
        self.still.add(now_us, news.wait_us);
        if news.wait_us < SHORT_US {
            self.short_at_us = now_us;
            self.before_bps = news.rate_bps;
            self.end();
            return Verdict::Nothing;
        }
        self.steps = self.steps.saturating_add(u32::from(news.fell));
        if let Some(wait_us) = self.longer_way(now_us, news) {
            self.end();
            return Verdict::LongerWay { wait_us };
        }
        let long = now_us.saturating_sub(self.short_at_us) >= PATIENCE_US;
        let begins = !self.on && long && self.steps >= STEPS && self.arriving < EMPTYING;
        self.on |= begins;
        let share_bps = SHARE * self.before_bps;
        if begins { Verdict::Others { share_bps } } else { Verdict::Nothing }
    }

    const fn end(&mut self) {
        (self.steps, self.on, self.alone, self.stepped) = (0, false, false, None);
    }

    /// What of the wait is the way.
    fn longer_way(&mut self, now_us: u64, news: News) -> Option<i64> {
        if self.steps >= STEPS && now_us.saturating_sub(self.still.since_us) >= STILL_US {
            return Some(self.still.least_us);
        }
        self.alone |= self.on && news.acked_bps >= Some(ALONE * self.before_bps);
        if self.alone && news.fell {
            self.stepped = Some(Stepped { at_us: now_us, least_us: news.wait_us });
        }
        let stepped = self.stepped.as_mut()?;
        stepped.least_us = stepped.least_us.min(news.wait_us);
        let Stepped { at_us, least_us } = *stepped;
        if now_us.saturating_sub(at_us) < EMPTY_US {
            return None;
        }
        self.stepped = None;
        (news.wait_us.saturating_sub(least_us) < EMPTY_WAIT_US).then_some(least_us)
    }

    fn compare(&mut self, now_us: u64, news: News) {
        let elapsed_us = now_us.saturating_sub(self.heard_at_us);
        self.heard_at_us = now_us;
        let Some(acked_bps) = news.acked_bps.filter(|_| news.sent_bps > 0.0) else { return };
        let multiple = (acked_bps / news.sent_bps).min(4.0);
        self.arriving += (multiple - self.arriving) * (elapsed_us as f64 / MEAN_US).min(1.0);
    }
}

impl Still {
    fn add(&mut self, now_us: u64, wait_us: i64) {
        let (least_us, most_us) = (self.least_us.min(wait_us), self.most_us.max(wait_us));
        *self = if most_us.saturating_sub(least_us) < STILL_WAIT_US {
            Self { least_us, most_us, ..*self }
        } else {
            Self { since_us: now_us, least_us: wait_us, most_us: wait_us }
        };
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

    /// Reports of second 1 to 6, of a wait that moves by a third; what follows, and when.
    fn hear(contest: &mut Contest, news: News) -> Vec<(u64, Verdict)> {
        let reports = (10..60).map(|tenth: u32| {
            let wait_us = news.wait_us + i64::from(tenth % 8) * news.wait_us / 24;
            let at_us = u64::from(tenth) * 100_000;
            (at_us, contest.update(at_us, News { wait_us, ..news }))
        });
        reports.filter(|(_, verdict)| *verdict != Verdict::Nothing).collect()
    }

    #[test]
    fn it_is_on_when_steps_back_change_nothing_and_off_when_the_queue_empties() {
        let mut contest = Contest::new();
        contest.update(500_000, SHORT);
        let half = Verdict::Others { share_bps: 1e6 };
        assert_eq!(hear(&mut contest, LONG), [(4_500_000, half)], "half of it, once");
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

    #[test]
    fn a_wait_that_stands_still_is_a_longer_way() {
        let mut contest = Contest::new();
        contest.update(500_000, SHORT);
        hear(&mut contest, LONG);
        assert_eq!(contest.update(6_000_000, LONG), Verdict::Nothing);
        assert_eq!(contest.update(7_400_000, LONG), Verdict::Nothing);
        let way = Verdict::LongerWay { wait_us: LONG.wait_us };
        assert_eq!(contest.update(7_600_000, LONG), way);
        assert!(!contest.is_on());
    }

    #[test]
    fn who_has_all_there_was_is_alone() {
        let mut contest = Contest::new();
        contest.update(500_000, SHORT);
        hear(&mut contest, LONG);
        let calm = News { fell: false, ..LONG };
        let all = News { acked_bps: Some(1.9e6), sent_bps: 1.9e6, wait_us: 300_000, ..calm };
        assert_eq!(contest.update(6_000_000, all), Verdict::Nothing);
        let stepped = News { fell: true, ..all };
        assert_eq!(contest.update(6_500_000, stepped), Verdict::Nothing);
        assert_eq!(contest.update(7_500_000, News { wait_us: 90_000, ..calm }), Verdict::Nothing);
        let way = Verdict::LongerWay { wait_us: 90_000 };
        assert_eq!(contest.update(8_600_000, News { wait_us: 95_000, ..calm }), way);
    }
}

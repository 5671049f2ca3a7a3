//! Feedback that stays away, and what to do about it.
//!
//! Silence has two causes that look the same until it ends: a path that carries nothing,
//! and a far end or a way back that stood still (a phone that switches networks, a
//! browser without a processor). So the estimate is held at first, then less and less is
//! risked, and when feedback comes again and tells that what was sent meanwhile arrived,
//! nothing had been wrong and the estimate returns to where it was (the idea of
//! RFC 4015 for TCP). libwebrtc holds without end; we forward to a person whose voice
//! shares the path, and stop to risk more than a few seconds of it.

/// Feedback is overdue after this and a few round trips.
const PATIENCE_US: u64 = 2_000_000;
/// While it stays away the estimate falls this often, to this part.
const STEP_US: u64 = 500_000;
const BACKOFF: f64 = 0.7;
/// What a path carried longer ago says nothing of it now.
const MEMORY_US: u64 = 15_000_000;
/// A queue this long, or that much more lost than usual, is a path that changed.
const MAX_WAIT_US: i64 = 60_000;
const MAX_MORE_LOST: f64 = 0.1;

/// What the reports after a silence say of the packets sent during it.
#[derive(Clone, Copy, Debug)]
struct Caution {
    before_bps: f64,
    since_us: u64,
    received: u32,
    lost: u32,
    longest_wait_us: i64,
}

#[derive(Debug)]
pub(super) struct Silence {
    /// When feedback is overdue, while something is on its way.
    overdue_us: Option<u64>,
    /// While the estimate is lower because of it.
    caution: Option<Caution>,
}

/// A report that came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// When the newest packet was sent that it names as received.
    pub(super) newest_sent_us: u64,
    pub(super) received: u32,
    pub(super) lost: u32,
    /// How long the least delayed one waited.
    pub(super) wait_us: i64,
    /// Part of the packets that this path always loses.
    pub(super) usual_loss: f64,
    /// Something is on its way still.
    pub(super) in_flight: bool,
}

impl Silence {
    pub(super) const fn new() -> Self {
        Self { overdue_us: None, caution: None }
    }

    /// When something is to be done about it.
    pub(super) const fn due_us(&self) -> Option<u64> {
        self.overdue_us
    }

    pub(super) fn on_sent(&mut self, now_us: u64, rtt_us: i64) {
        self.overdue_us.get_or_insert(now_us + patience_us(rtt_us));
    }

    /// Something else than feedback tells that packets arrive.
    pub(super) fn on_progress(&mut self, now_us: u64, rtt_us: i64) {
        if let Some(overdue) = &mut self.overdue_us {
            *overdue = (*overdue).max(now_us + patience_us(rtt_us));
        }
    }

    /// The lower estimate, when it has to fall.
    pub(super) fn step(&mut self, now_us: u64, estimate_bps: f64) -> Option<f64> {
        self.overdue_us.filter(|overdue| now_us >= *overdue)?;
        self.overdue_us = Some(now_us + STEP_US);
        self.caution.get_or_insert(Caution {
            before_bps: estimate_bps,
            since_us: now_us,
            received: 0,
            lost: 0,
            longest_wait_us: 0,
        });
        Some(BACKOFF * estimate_bps)
    }

    /// A report came. The estimate to return to, once reports cover what was sent since
    /// the estimate fell and found nothing wrong.
    pub(super) fn on_feedback(&mut self, now_us: u64, rtt_us: i64, heard: Heard) -> Option<f64> {
        self.overdue_us = heard.in_flight.then(|| now_us + patience_us(rtt_us));
        let caution = self.caution.as_mut()?;
        caution.received += heard.received;
        caution.lost += heard.lost;
        caution.longest_wait_us = caution.longest_wait_us.max(heard.wait_us);
        if heard.newest_sent_us < caution.since_us {
            return None;
        }
        let over = self.caution.take()?;
        let recent = now_us.saturating_sub(over.since_us) < MEMORY_US;
        (recent && over.finds_nothing_wrong(heard.usual_loss)).then_some(over.before_bps)
    }
}

impl Caution {
    fn finds_nothing_wrong(&self, usual_loss: f64) -> bool {
        let packets = f64::from(self.received) + f64::from(self.lost);
        let bearable = (usual_loss + MAX_MORE_LOST) * packets;
        self.longest_wait_us < MAX_WAIT_US && f64::from(self.lost) <= bearable
    }
}

const fn patience_us(rtt_us: i64) -> u64 {
    PATIENCE_US + 2 * rtt_us.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT_US: i64 = 50_000;
    const FINE: Heard = Heard {
        newest_sent_us: 0,
        received: 100,
        lost: 0,
        wait_us: 5_000,
        usual_loss: 0.0,
        in_flight: true,
    };

    /// A silence of four seconds from second 0 on; the estimate that was left.
    fn silent(silence: &mut Silence) -> f64 {
        let mut estimate = 1e6;
        silence.on_sent(0, RTT_US);
        for now_us in (0..4_000_000).step_by(10_000) {
            estimate = silence.step(now_us, estimate).unwrap_or(estimate);
        }
        estimate
    }

    #[test]
    fn it_is_endured_for_two_seconds_and_undone_by_reports_of_all() {
        let mut silence = Silence::new();
        silence.on_sent(0, RTT_US);
        assert_eq!(silence.step(2_090_000, 1e6), None);
        let left = silent(&mut silence);
        assert!((0.2e6..0.3e6).contains(&left), "{left}");
        let old = Heard { newest_sent_us: 1_000_000, ..FINE };
        assert_eq!(silence.on_feedback(4_000_000, RTT_US, old), None, "there is more to come");
        let new = Heard { newest_sent_us: 3_900_000, ..FINE };
        assert_eq!(silence.on_feedback(4_000_000, RTT_US, new), Some(1e6));
        assert_eq!(silence.on_feedback(4_100_000, RTT_US, new), None, "once");
    }

    #[test]
    fn a_path_that_changed_is_not_trusted() {
        for bad in [
            Heard { wait_us: 200_000, ..FINE },
            Heard { lost: 30, ..FINE },
            Heard { lost: 30, usual_loss: 0.1, ..FINE },
        ] {
            let mut silence = Silence::new();
            silent(&mut silence);
            let early = Heard { newest_sent_us: 1_000_000, ..bad };
            assert_eq!(silence.on_feedback(4_000_000, RTT_US, early), None);
            let late = Heard { newest_sent_us: 3_900_000, received: 10, ..FINE };
            assert_eq!(silence.on_feedback(4_000_000, RTT_US, late), None, "{bad:?}");
        }
        let mut silence = Silence::new();
        silent(&mut silence);
        let late = Heard { newest_sent_us: 19_900_000, ..FINE };
        assert_eq!(silence.on_feedback(20_000_000, RTT_US, late), None, "too long ago");
    }

    #[test]
    fn other_reports_of_progress_hold_the_estimate() {
        let mut silence = Silence::new();
        silence.on_sent(0, RTT_US);
        for now_us in (0..20_000_000).step_by(100_000) {
            if now_us % 1_000_000 == 0 {
                silence.on_progress(now_us, RTT_US);
            }
            assert_eq!(silence.step(now_us, 1e6), None);
        }
    }
}

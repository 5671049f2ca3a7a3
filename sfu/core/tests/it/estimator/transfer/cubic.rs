//! CUBIC (RFC 9438), with fast convergence and without HyStart++, which only makes its
//! first seconds milder.

use std::time::{Duration, Instant};

use super::{Acknowledged, FIRST_WINDOW};

/// Section 5.1: packets per second to the third.
const C: f64 = 0.4;
/// Section 4.6: what remains after loss.
const BETA: f64 = 0.7;
/// Section 4.3: as fair to Reno, which grows by one and keeps half.
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);

/// Growth since the last loss.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    began: Instant,
    /// Seconds until the window is where it was.
    k: f64,
    /// What Reno would have.
    reno: f64,
}

#[derive(Debug)]
pub(super) struct Cubic {
    window: f64,
    /// The window before the last loss, and what the curve is flat at.
    before: f64,
    most: f64,
    slow_start: bool,
    epoch: Option<Epoch>,
}

impl Cubic {
    pub(super) const fn new() -> Self {
        Self { window: FIRST_WINDOW, before: 0.0, most: 0.0, slow_start: true, epoch: None }
    }

    pub(super) const fn window(&self) -> f64 {
        self.window
    }

    pub(super) const fn timed_out(&mut self) {
        self.lose();
        self.window = 2.0;
    }

    pub(super) fn acknowledged(&mut self, heard: Acknowledged) {
        if heard.loses {
            self.lose();
        } else if self.slow_start {
            self.window += 1.0;
        } else {
            self.grow(heard.now, heard.rtt);
        }
    }

    const fn lose(&mut self) {
        // Section 4.7: who had to yield leaves room for others.
        let yields = self.window < self.most;
        self.most = if yields { self.window * (1.0 + BETA) / 2.0 } else { self.window };
        self.before = self.window;
        self.window = (self.window * BETA).max(2.0);
        (self.slow_start, self.epoch) = (false, None);
    }

    fn grow(&mut self, now: Instant, rtt: Duration) {
        let epoch = self.epoch.get_or_insert(Epoch {
            began: now,
            k: ((self.most - self.window).max(0.0) / C).cbrt(),
            reno: self.window,
        });
        let alpha = if epoch.reno < self.before { ALPHA } else { 1.0 };
        epoch.reno += alpha / self.window;
        let elapsed_s = (now - epoch.began).as_secs_f64();
        let curve = |seconds: f64| C * (seconds - epoch.k).powi(3) + self.most;
        if curve(elapsed_s) < epoch.reno {
            self.window = epoch.reno;
            return;
        }
        let target = curve(elapsed_s + rtt.as_secs_f64());
        let target = target.clamp(self.window, 1.5 * self.window);
        self.window += (target - self.window) / self.window;
    }
}

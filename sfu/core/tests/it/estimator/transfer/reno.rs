//! Reno (RFC 5681): half the window once per round trip with loss.

use super::{Acknowledged, FIRST_WINDOW};

#[derive(Debug)]
pub(super) struct Reno {
    window: f64,
    slow_start: bool,
}

impl Reno {
    pub(super) const fn new() -> Self {
        Self { window: FIRST_WINDOW, slow_start: true }
    }

    pub(super) const fn window(&self) -> f64 {
        self.window
    }

    pub(super) const fn timed_out(&mut self) {
        self.window = 2.0;
    }

    pub(super) fn acknowledged(&mut self, heard: Acknowledged) {
        if heard.loses {
            self.window = (self.window / 2.0).max(2.0);
            self.slow_start = false;
        } else {
            self.window += if self.slow_start { 1.0 } else { 1.0 / self.window };
        }
    }
}

//! How many data messages a participant may still send.

use std::time::Instant;

/// A token bucket in the machine's time; full at first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance {
    spent: f64,
    at: Option<Instant>,
}

impl Allowance {
    /// Takes one, or says that none is left.
    pub(super) fn take(&mut self, now: Instant, per_second: u32, burst: u32) -> bool {
        let passed_s = self.at.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        self.at = Some(now);
        self.spent = (self.spent - passed_s * f64::from(per_second)).max(0.0);
        let left = self.spent + 1.0 <= f64::from(burst);
        if left {
            self.spent += 1.0;
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    fn a_burst_then_the_rate() {
        let start = Instant::now();
        let mut allowance = Allowance::default();
        let mut taken = |at: Duration| allowance.take(start + at, 2, 3);
        assert_eq!([(); 4].map(|()| taken(Duration::ZERO)), [true, true, true, false]);
        assert!(!taken(Duration::from_millis(400)));
        assert!(taken(Duration::from_millis(600)));
        assert!(!taken(Duration::from_millis(700)));
        assert_eq!([(); 4].map(|()| taken(Duration::from_secs(60))), [true, true, true, false]);
    }
}

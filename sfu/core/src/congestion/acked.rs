//! How much arrives: the rate at which packets reach the far end, by its clock.

/// Time until the first figure: a start is uneven.
const FIRST_WINDOW_US: i64 = 500_000;
const WINDOW_US: i64 = 150_000;
/// A longer gap is not a low rate: nothing was sent, or the far clock jumped.
const SILENCE_US: i64 = 500_000;
/// How much more a sample is doubted the further it is from the figure.
const DOUBT: f64 = 10.0;
/// Variance that the true rate gains with each window: it changes.
const DRIFT: f64 = 5.0;
const FIRST_VARIANCE: f64 = 50.0;

/// A Bayesian mean over windows: those that deviate count for less, until they last.
#[derive(Debug)]
pub(super) struct Acked {
    last_us: Option<i64>,
    /// Time and bytes of the window so far.
    window_us: i64,
    bytes: u64,
    rate_bps: Option<f64>,
    variance: f64,
}

impl Acked {
    pub(super) const fn new() -> Self {
        Self { last_us: None, window_us: 0, bytes: 0, rate_bps: None, variance: FIRST_VARIANCE }
    }

    pub(super) const fn rate_bps(&self) -> Option<f64> {
        self.rate_bps
    }

    pub(super) fn add(&mut self, arrival_us: i64, bytes: u32) {
        let Some(last) = self.last_us.replace(arrival_us) else { return };
        let gap = arrival_us.saturating_sub(last);
        if gap.abs() > SILENCE_US {
            return;
        }
        self.bytes += u64::from(bytes);
        if gap < 0 {
            self.last_us = Some(last);
            return;
        }
        self.window_us += gap;
        let window = if self.rate_bps.is_some() { WINDOW_US } else { FIRST_WINDOW_US };
        if self.window_us >= window {
            self.sample(self.bytes as f64 * 8e6 / self.window_us as f64);
            self.bytes = 0;
            self.window_us = 0;
        }
    }

    /// Reports are missing: the time until the next packet counts for nothing.
    pub(super) const fn skip(&mut self) {
        self.last_us = None;
    }

    fn sample(&mut self, sample_bps: f64) {
        let Some(rate) = self.rate_bps else {
            self.rate_bps = Some(sample_bps);
            return;
        };
        let doubt = DOUBT * (rate - sample_bps).abs() / rate.max(1.0);
        let sample_variance = (doubt * doubt).max(1e-6);
        let variance = self.variance + DRIFT;
        let sum = sample_variance + variance;
        self.rate_bps = Some((sample_variance * rate + variance * sample_bps) / sum);
        self.variance = sample_variance * variance / sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(acked: &mut Acked, from_us: i64, duration_us: i64, rate_bps: i64) -> i64 {
        let gap = 1_000 * 8_000_000 / rate_bps;
        let mut at = from_us;
        while at < from_us + duration_us {
            acked.add(at, 1_000);
            at += gap;
        }
        at
    }

    #[test]
    fn it_follows_a_rate_and_its_change() {
        let mut acked = Acked::new();
        let at = feed(&mut acked, 0, 2_000_000, 1_000_000);
        let rate = acked.rate_bps().expect("after two seconds");
        assert!((950_000.0..1_050_000.0).contains(&rate), "{rate}");
        feed(&mut acked, at, 1_000_000, 300_000);
        let rate = acked.rate_bps().expect("still");
        assert!((280_000.0..360_000.0).contains(&rate), "{rate}");
    }

    #[test]
    fn missing_reports_do_not_lower_it() {
        let mut acked = Acked::new();
        let mut at = 0;
        for _ in 0..30 {
            at = feed(&mut acked, at, 100_000, 1_000_000);
            acked.skip();
            at += 100_000;
        }
        let rate = acked.rate_bps().expect("after one and a half seconds");
        assert!((900_000.0..1_100_000.0).contains(&rate), "{rate}");
    }

    #[test]
    fn silence_and_wild_clocks_do_not_lower_it() {
        let mut acked = Acked::new();
        let at = feed(&mut acked, 0, 2_000_000, 1_000_000);
        let at = feed(&mut acked, at + 5_000_000, 1_000_000, 1_000_000);
        feed(&mut acked, at - 60_000_000, 1_000_000, 1_000_000);
        acked.add(i64::MIN, 1_000);
        acked.add(i64::MAX, 1_000);
        let rate = acked.rate_bps().expect("fed");
        assert!((900_000.0..1_100_000.0).contains(&rate), "{rate}");
    }
}

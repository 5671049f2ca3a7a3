//! How much arrives: the rate at which packets reach the far end, by its clock.

/// Time until the first figure: a start is uneven.
const FIRST_WINDOW_US: i64 = 300_000;
const WINDOW_US: i64 = 150_000;
/// A longer gap is not a low rate: nothing was sent, or the far clock jumped.
const SILENCE_US: i64 = 500_000;
/// Windows in the mean. A filter that doubts what deviates follows a changed link
/// only after seconds, up and down; half a second is smooth enough.
const WINDOWS: usize = 3;

/// A mean over the last windows.
#[derive(Debug)]
pub(super) struct Acked {
    last_us: Option<i64>,
    /// Time and bytes of the window so far.
    window_us: i64,
    bytes: u64,
    /// The last ones, the newest first.
    samples_bps: [f64; WINDOWS],
    known: bool,
}

impl Acked {
    pub(super) const fn new() -> Self {
        Self { last_us: None, window_us: 0, bytes: 0, samples_bps: [0.0; WINDOWS], known: false }
    }

    pub(super) fn rate_bps(&self) -> Option<f64> {
        self.known.then(|| self.samples_bps.iter().sum::<f64>() / WINDOWS as f64)
    }

    /// The newest window alone.
    pub(super) fn newest_bps(&self) -> Option<f64> {
        self.known.then_some(self.samples_bps[0])
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
        let window = if self.known { WINDOW_US } else { FIRST_WINDOW_US };
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
        if self.known {
            self.samples_bps.rotate_right(1);
            self.samples_bps[0] = sample_bps;
        } else {
            self.known = true;
            self.samples_bps = [sample_bps; WINDOWS];
        }
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

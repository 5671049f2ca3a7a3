//! How much arrives: the rate at which packets reach the far end, by its clock.

/// Arrivals are counted in pieces of this time.
const PIECE_US: i64 = 25_000;
/// Pieces in the mean: a filter that doubts what deviates follows a changed link only
/// after seconds, up and down; half a second is smooth enough.
const PIECES: usize = 18;
/// Pieces of what is newest: a few frames.
const NEWEST_PIECES: usize = 5;
/// Pieces until the first figure.
const FIRST_PIECES: usize = 12;
/// A longer gap is not a low rate: nothing was sent, or the far clock jumped.
const SILENCE_US: i64 = 500_000;

/// A mean over the last pieces.
#[derive(Debug)]
pub(super) struct Acked {
    last_us: Option<i64>,
    /// Time and bytes of the piece so far.
    piece_us: i64,
    piece_bytes: u64,
    /// Bytes of the last pieces, in a ring.
    bytes: [u64; PIECES],
    /// Pieces so far.
    count: usize,
}

impl Acked {
    pub(super) const fn new() -> Self {
        Self { last_us: None, piece_us: 0, piece_bytes: 0, bytes: [0; PIECES], count: 0 }
    }

    pub(super) fn rate_bps(&self) -> Option<f64> {
        (self.count >= FIRST_PIECES).then(|| self.mean_bps(PIECES))
    }

    /// Of the last moments alone.
    pub(super) fn newest_bps(&self) -> Option<f64> {
        (self.count >= FIRST_PIECES).then(|| self.mean_bps(NEWEST_PIECES))
    }

    pub(super) fn add(&mut self, arrival_us: i64, bytes: u32) {
        let Some(last) = self.last_us.replace(arrival_us) else { return };
        let gap = arrival_us.saturating_sub(last);
        if gap.saturating_abs() > SILENCE_US {
            return;
        }
        if gap < 0 {
            self.last_us = Some(last);
        }
        self.piece_us += gap.max(0);
        while self.piece_us >= PIECE_US {
            self.piece_us -= PIECE_US;
            self.bytes[self.count % PIECES] = std::mem::take(&mut self.piece_bytes);
            self.count += 1;
        }
        self.piece_bytes += u64::from(bytes);
    }

    /// Reports are missing: the time until the next packet counts for nothing.
    pub(super) const fn skip(&mut self) {
        self.last_us = None;
    }

    fn mean_bps(&self, pieces: usize) -> f64 {
        let pieces = pieces.min(self.count).max(1);
        let newest = (1..=pieces).map(|back| self.bytes[(self.count - back) % PIECES]);
        newest.sum::<u64>() as f64 * 8e6 / (pieces as i64 * PIECE_US) as f64
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

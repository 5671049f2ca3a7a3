//! A bound from loss: links that drop instead of queueing.
//!
//! Wi-Fi and mobile links lose packets at any rate, so loss alone proves nothing.
//! What proves congestion is loss that grows with our rate. The last windows are
//! explained by two numbers, the loss `p` that is always there and the rate `B`
//! the link carries: a window sent at rate `r` should lose
//!
//! ```text
//! p + (1 - p) * max(0, 1 - B / r)
//! ```
//!
//! For each candidate `B` the best `p` is a weighted least-squares mean; the
//! candidate that explains the windows best wins, and a bound is believed only
//! when it explains them clearly better than none. (libwebrtc's later loss model
//! asks the same question by maximum likelihood; this needs no logarithms.)

/// A window lasts at least this long and has this many packets, or it lasts long.
const WINDOW_US: u64 = 250_000;
const WINDOW_PACKETS: u32 = 20;
const LONG_WINDOW_US: u64 = 1_000_000;
/// Windows remembered: four seconds and more.
const WINDOWS: usize = 16;
/// Weight of a window compared with the one after it.
const AGEING: f64 = 0.9;
/// Loss up to here is nobody's fault.
pub(super) const HARMLESS: f64 = 0.02;
/// Loss that much above what is usual here is answered at once, before it can be
/// told whose fault it is; the lower rate then tells.
const ALARMING: f64 = 0.06;
/// What remains at an alarm of the rate that arrived.
const ALARM_BACKOFF: f64 = 0.9;
/// Time between two such answers.
const ALARM_INTERVAL_US: u64 = 3_000_000;
/// A bound has to leave less than this part of the error that none leaves.
const CLEARLY: f64 = 0.6;
/// Leaving less than this part is a reason not to call the loss usual.
const PERHAPS: f64 = 0.9;
/// Candidates, as multiples of the rate that is in question.
const CANDIDATES: [f64; 8] = [0.5, 0.65, 0.8, 0.9, 0.95, 1.0, 1.05, 1.15];
/// Part of the bound to stay at while more than usual is lost.
const BELOW: f64 = 0.95;
/// Growth of the bound with each window that does not speak against it.
const GROWTH: f64 = 1.06;
/// The usual loss is learnt over about this many windows.
const LEARNING: f64 = 0.1;
/// Rates that differ by this factor tell usual loss from congestion.
const CONTRAST: f64 = 1.15;
/// More than this is an outage, not a property of the link.
const MAX_USUAL: f64 = 0.4;

/// What was sent in some time, and which part of it was lost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    pub(super) rate_bps: f64,
    pub(super) packets: f64,
    pub(super) loss: f64,
}

/// One explanation of the windows.
#[derive(Clone, Copy, Debug)]
struct Explanation {
    usual: f64,
    error: f64,
}

#[derive(Debug)]
pub(super) struct Loss {
    windows: [Window; WINDOWS],
    seen: usize,
    first_sent_us: Option<u64>,
    last_sent_us: u64,
    bytes: u64,
    packets: u32,
    lost: u32,
    /// Loss over about a second.
    recent: f64,
    /// Loss that is there at any rate.
    usual: f64,
    bound_bps: Option<f64>,
    alarmed_at_us: Option<u64>,
}

impl Loss {
    pub(super) const fn new() -> Self {
        Self {
            windows: [Window { rate_bps: 0.0, packets: 0.0, loss: 0.0 }; WINDOWS],
            seen: 0,
            first_sent_us: None,
            last_sent_us: 0,
            bytes: 0,
            packets: 0,
            lost: 0,
            recent: 0.0,
            usual: 0.0,
            bound_bps: None,
            alarmed_at_us: None,
        }
    }

    pub(super) const fn bound_bps(&self) -> Option<f64> {
        self.bound_bps
    }

    /// Part of the packets lost over about the last second.
    pub(super) const fn recent(&self) -> f64 {
        self.recent
    }

    /// Part of the packets lost on this link at any rate.
    pub(super) const fn usual(&self) -> f64 {
        self.usual
    }

    /// Whether more is lost than what is usual on this link.
    pub(super) fn is_alarming(&self) -> bool {
        self.recent > self.usual + ALARMING
    }

    /// A probe proved more than the bound allows.
    pub(super) fn raise(&mut self, rate_bps: f64) {
        self.bound_bps = self.bound_bps.map(|bound| bound.max(rate_bps));
    }

    pub(super) fn received(&mut self, sent_us: u64, bytes: u32, was_lost: bool) {
        if was_lost {
            // It was only late. Its window may be over; then it stays counted.
            self.lost = self.lost.saturating_sub(1);
            return;
        }
        self.count(sent_us, bytes);
    }

    pub(super) fn lost(&mut self, sent_us: u64, bytes: u32) {
        self.count(sent_us, bytes);
        self.lost += 1;
    }

    fn count(&mut self, sent_us: u64, bytes: u32) {
        self.first_sent_us.get_or_insert(sent_us);
        self.last_sent_us = self.last_sent_us.max(sent_us);
        self.bytes += u64::from(bytes);
        self.packets += 1;
    }

    /// Ends the window if it is long enough. `rate_bps` is the rate the delay
    /// allows, `acked_bps` the one that arrives.
    pub(super) fn update(&mut self, now_us: u64, rate_bps: f64, acked_bps: Option<f64>) {
        let Some(first) = self.first_sent_us else { return };
        let span = self.last_sent_us.saturating_sub(first);
        let enough = span >= WINDOW_US && self.packets >= WINDOW_PACKETS;
        if !enough && span < LONG_WINDOW_US {
            return;
        }
        let window = Window {
            rate_bps: self.bytes as f64 * 8e6 / span as f64,
            packets: f64::from(self.packets),
            loss: f64::from(self.lost) / f64::from(self.packets),
        };
        self.first_sent_us = None;
        self.last_sent_us = 0;
        (self.bytes, self.packets, self.lost) = (0, 0, 0);
        self.end(now_us, span, window, rate_bps, acked_bps);
    }

    /// A window of `span_us` ended, otherwise as [`Self::update`].
    pub(super) fn end(
        &mut self,
        now_us: u64,
        span_us: u64,
        window: Window,
        rate_bps: f64,
        acked_bps: Option<f64>,
    ) {
        self.windows[self.seen % WINDOWS] = window;
        self.seen += 1;
        self.recent += (window.loss - self.recent) * (span_us as f64 / 1e6).clamp(0.25, 1.0);
        self.decide(now_us, window, rate_bps, acked_bps);
    }

    fn decide(&mut self, now_us: u64, window: Window, rate_bps: f64, acked_bps: Option<f64>) {
        if self.recent <= HARMLESS && window.loss <= 2.0 * HARMLESS {
            self.learn(window.loss);
            self.release(rate_bps);
            return;
        }
        let unbounded = self.explain(None);
        let limit = self.bound_bps.unwrap_or(rate_bps).min(rate_bps);
        let (bound, bounded) = self.best(window.rate_bps.min(limit));
        if bounded.error < CLEARLY * unbounded.error {
            if self.has_contrast() {
                self.learn(bounded.usual);
            }
            // Below what fits the loss ends, and shows that the bound was right.
            let excess = window.loss > bounded.usual + HARMLESS;
            let next = if excess { BELOW * bound } else { bound };
            let floor = acked_bps.unwrap_or(bound) * 0.5;
            self.bound_bps = Some(next.max(floor).min(limit));
            return;
        }
        if self.is_alarming() && self.may_alarm(now_us) {
            self.alarmed_at_us = Some(now_us);
            let arriving = acked_bps.unwrap_or(rate_bps).min(limit);
            self.bound_bps = Some(ALARM_BACKOFF * arriving);
            return;
        }
        // Only different rates can tell what is usual from what is too much.
        let better = bounded.error < PERHAPS * unbounded.error;
        let usual = if better { bounded.usual } else { unbounded.usual };
        if self.has_contrast() || usual < self.usual {
            self.learn(usual);
        }
        self.release(rate_bps);
    }

    /// Whether the windows were sent at rates that differ.
    fn has_contrast(&self) -> bool {
        let rates = self.windows[..self.seen.min(WINDOWS)].iter().map(|window| window.rate_bps);
        let (least, most) = rates
            .fold((f64::MAX, 0.0_f64), |(least, most), rate| (least.min(rate), most.max(rate)));
        most > CONTRAST * least
    }

    fn learn(&mut self, usual: f64) {
        self.usual += LEARNING * (usual.min(MAX_USUAL) - self.usual);
    }

    /// Lets the bound grow until it bounds nothing.
    fn release(&mut self, rate_bps: f64) {
        self.bound_bps =
            self.bound_bps.map(|bound| bound * GROWTH).filter(|bound| *bound < 1.5 * rate_bps);
    }

    fn may_alarm(&self, now_us: u64) -> bool {
        self.alarmed_at_us.is_none_or(|at| now_us.saturating_sub(at) >= ALARM_INTERVAL_US)
    }

    /// The candidate that explains the windows best, the higher one if in doubt.
    fn best(&self, rate_bps: f64) -> (f64, Explanation) {
        CANDIDATES
            .iter()
            .rev()
            .map(|factor| (factor * rate_bps, self.explain(Some(factor * rate_bps))))
            .min_by(|(_, one), (_, other)| one.error.total_cmp(&other.error))
            .expect("there are candidates")
    }

    /// The best `p` for a bound, and the weighted squared error that remains.
    fn explain(&self, bound_bps: Option<f64>) -> Explanation {
        let (mut weights, mut square, mut product, mut total) = (0.0, 0.0, 0.0, 0.0);
        let mut ageing = 1.0;
        for back in 1..=self.seen.min(WINDOWS) {
            let window = self.windows[(self.seen - back) % WINDOWS];
            let excess = congestive(window.rate_bps, bound_bps);
            let weight = ageing * window.packets;
            weights += weight;
            square += weight * (1.0 - excess) * (1.0 - excess);
            product += weight * (1.0 - excess) * (window.loss - excess);
            total += weight * (window.loss - excess) * (window.loss - excess);
            ageing *= AGEING;
        }
        if square <= 0.0 {
            return Explanation { usual: 0.0, error: 0.0 };
        }
        let usual = (product / square).clamp(0.0, 1.0);
        let error = (total - 2.0 * usual * product + usual * usual * square).max(0.0) / weights;
        Explanation { usual, error }
    }
}

/// What a link of `bound_bps` drops of `rate_bps`.
fn congestive(rate_bps: f64, bound_bps: Option<f64>) -> f64 {
    match bound_bps {
        Some(bound) if rate_bps > bound => 1.0 - bound / rate_bps,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second at a rate; `loses(packet number)`.
    fn second(
        loss: &mut Loss,
        second: u64,
        rate_bps: f64,
        allowed_bps: f64,
        loses: impl Fn(u64) -> bool,
    ) {
        let packets = (rate_bps / 8_000.0) as u64;
        for packet in 0..packets {
            let sent_us = second * 1_000_000 + packet * 1_000_000 / packets;
            if loses(packet + second * 7) {
                loss.lost(sent_us, 1_000);
            } else {
                loss.received(sent_us, 1_000, false);
            }
            if packet % 10 == 0 {
                loss.update(sent_us, allowed_bps, Some(0.9 * rate_bps));
            }
        }
    }

    #[test]
    fn what_is_lost_at_any_rate_does_not_bound_for_long() {
        let mut loss = Loss::new();
        let mut rate = 2e6_f64;
        for number in 0..30 {
            second(&mut loss, number, rate, 2e6, |packet| packet % 10 == 3);
            rate = loss.bound_bps().unwrap_or(2e6).min(2e6);
        }
        assert!(rate > 1.6e6, "{rate}");
        assert!((0.05..0.15).contains(&loss.usual), "{}", loss.usual);
    }

    #[test]
    fn a_link_that_drops_what_is_too_much_bounds() {
        let mut loss = Loss::new();
        let mut rate = 0.7e6_f64;
        for number in 0..40 {
            let kept = (1e6 / rate).min(1.0);
            second(&mut loss, number, rate, 4e6, |packet| {
                (packet as f64 * kept).fract() + kept < 1.0
            });
            rate = (rate * 1.08).min(loss.bound_bps().unwrap_or(4e6));
            if number > 15 {
                assert!((0.6e6..1.4e6).contains(&rate), "{rate} in second {number}");
            }
        }
    }

    #[test]
    fn a_little_loss_bounds_nothing() {
        let mut loss = Loss::new();
        for number in 0..30 {
            second(&mut loss, number, 2e6, 2e6, |packet| packet % 60 == 3);
            assert_eq!(loss.bound_bps(), None);
        }
    }
}

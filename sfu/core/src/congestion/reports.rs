//! An estimate for receivers that do not say when packets arrive: from the loss in their
//! receiver reports (RFC 3550 section 6.4.1), and from REMB, their own estimate
//! (draft-alvestrand-rmcat-remb-03), where they send it.
//!
//! It begins high and falls by what is reported. To begin low and to look for more, as
//! [`super::Estimator`] does, it would need to see what a probe did, and a picture of one
//! size would not be shown until then. What was too much is tried again after a while,
//! ever later; whoever tries is held back by the allocator's hysteresis besides.

use std::time::{Duration, Instant};

use super::loss::{HARMLESS, Loss, Window};
use super::{Config, PACING_FACTOR, SendRate};

/// The estimate before anything is reported: a picture of 720 lines with voice. As a
/// multiple of where an estimate begins that looks for more itself.
const FIRST_FACTOR: u64 = 4;
/// A decision covers at least this time and so many packets, or a long time.
const WINDOW_US: u64 = 500_000;
const WINDOW_PACKETS: f64 = 20.0;
const LONG_WINDOW_US: u64 = 2_000_000;
/// Streams whose reports are told apart; more than a subscriber has.
const MAX_STREAMS: usize = 256;
/// Growth a second, as in draft-ietf-rmcat-gcc-02 section 6.
const GROWTH: f64 = 1.08;
/// No growth for this long after a fall; twice as long each time it was too much again.
const FIRST_HOLD_US: u64 = 8_000_000;
const MAX_HOLD_US: u64 = 60_000_000;
/// A fall this long after the last one is another story.
const FORGET_US: u64 = 60_000_000;
/// That much more lost than usual is too much for any doubt: what arrived is the answer.
const MUCH: f64 = 0.15;
/// What to send of what arrived then.
const CARRIED_PART: f64 = 0.95;
/// Windows without loss that prove their rate.
const CLEAN_WINDOWS: usize = 3;
/// What was proven that long ago says nothing any more.
const PROOF_US: u64 = 120_000_000;
/// Room over what was proven, so that a picture of that rate stays: whoever chooses wants
/// 15% to spare and 6% for repetitions.
const PROOF_ROOM: f64 = 1.3;
/// Reports may tell for so long of what was sent before a fall: a second between two of
/// them, a round trip and a queue.
const SETTLE_US: u64 = 2_500_000;
/// A fall this long after the first one belongs to it.
const EPISODE_US: u64 = 10_000_000;
/// A receiver's estimate is at most half as much again as it receives, while nothing is
/// too much. Only what is closer is an opinion of the link.
const OPINION: f64 = 1.3;

/// Estimates what one path carries, by reports of loss.
#[derive(Debug)]
pub struct ReportEstimator {
    config: Config,
    /// All times inside are microseconds since then.
    origin: Instant,
    loss: Loss,
    sending: SendRate,
    rate_bps: f64,
    /// What arrived when too much was sent last: up to there nothing has to be tried.
    carried_bps: f64,
    proof: Proof,
    /// In the window before.
    sent_before_bps: f64,
    window: Counted,
    /// When each stream was reported on last.
    reported_us: Vec<u64>,
    hold_us: u64,
    hold_until_us: u64,
    fell_at_us: Option<u64>,
    /// The first fall of those that belong together.
    episode_us: Option<u64>,
}

/// A rate that the path carried without loss for a while.
#[derive(Debug, Default)]
struct Proof {
    /// Of the last windows, while nothing is lost.
    clean_bps: [f64; CLEAN_WINDOWS],
    count: usize,
    bps: f64,
    at_us: u64,
}

/// What was reported since the last decision.
#[derive(Debug, Default)]
struct Counted {
    since_us: u64,
    sent_bytes: u64,
    expected: f64,
    lost: f64,
}

impl ReportEstimator {
    pub fn new(now: Instant, config: Config) -> Self {
        let first = config.start_bps.saturating_mul(FIRST_FACTOR);
        Self {
            config,
            origin: now,
            loss: Loss::new(),
            sending: SendRate::default(),
            rate_bps: first.clamp(config.min_bps, config.max_bps) as f64,
            carried_bps: 0.0,
            proof: Proof::default(),
            sent_before_bps: 0.0,
            window: Counted::default(),
            reported_us: Vec::new(),
            hold_us: FIRST_HOLD_US,
            hold_until_us: 0,
            fell_at_us: None,
            episode_us: None,
        }
    }

    /// A packet of `bytes` leaves now.
    pub fn on_sent(&mut self, now: Instant, bytes: usize) {
        let now_us = self.micros(now);
        self.sending.add(now_us, bytes);
        self.window.sent_bytes += bytes as u64;
    }

    /// A report on one `stream`: packets that should have arrived since the one before,
    /// and those that did not.
    pub fn on_report(&mut self, now: Instant, stream: usize, expected: u64, lost: u64) {
        let now_us = self.micros(now);
        let span_us = now_us.saturating_sub(self.window.since_us);
        let part = self.recent_part(now_us, stream, span_us);
        self.window.expected += part * expected as f64;
        self.window.lost += part * lost.min(expected) as f64;
        let enough = span_us >= WINDOW_US && self.window.expected >= WINDOW_PACKETS;
        if enough || (span_us >= LONG_WINDOW_US && self.window.expected > 0.0) {
            let counted = std::mem::take(&mut self.window);
            self.window.since_us = now_us;
            self.decide(now_us, span_us, &counted);
        }
    }

    /// The receiver's own estimate came.
    pub fn on_remb(&mut self, now: Instant, bps: u64) {
        let now_us = self.micros(now);
        let (sent_bps, bps) = (self.sending.rate_bps(now_us), bps as f64);
        if bps < sent_bps {
            self.fall(now_us, bps, bps);
        } else if bps < OPINION * sent_bps {
            self.rate_bps = self.rate_bps.min(bps).max(self.config.min_bps as f64);
        }
    }

    /// What the path carries, bits per second.
    pub fn estimate_bps(&self) -> u64 {
        let bound = self.loss.bound_bps().unwrap_or(f64::MAX);
        self.rate_bps.min(bound).max(self.config.min_bps as f64) as u64
    }

    /// The rate to send at while something waits.
    pub fn pacing_bps(&self) -> u64 {
        (PACING_FACTOR * self.estimate_bps() as f64) as u64
    }

    /// Which part of a report is of the last `span_us`. Voice is reported on every five
    /// seconds and pictures every one: that nothing was lost before would hide what is.
    fn recent_part(&mut self, now_us: u64, stream: usize, span_us: u64) -> f64 {
        if stream >= MAX_STREAMS {
            return 1.0;
        }
        if stream >= self.reported_us.len() {
            self.reported_us.resize(stream + 1, 0);
        }
        let before_us = std::mem::replace(&mut self.reported_us[stream], now_us);
        let covered_us = now_us.saturating_sub(before_us).max(1);
        (span_us.max(WINDOW_US) as f64 / covered_us as f64).min(1.0)
    }

    fn decide(&mut self, now_us: u64, span_us: u64, counted: &Counted) {
        let seconds = span_us as f64 / 1e6;
        let sent_bps = counted.sent_bytes as f64 * 8.0 / seconds;
        let lost = counted.lost / counted.expected;
        self.proof.add(now_us, sent_bps, lost <= self.loss.usual() + HARMLESS);
        let carried_bps = sent_bps * (1.0 - lost);
        let window = Window { rate_bps: sent_bps, packets: counted.expected, loss: lost };
        let allowed_bps = self.rate_bps.min(sent_bps.max(self.config.min_bps as f64));
        self.loss.end(now_us, span_us, window, allowed_bps, Some(carried_bps));
        // What is reported may have been sent before the window began.
        let before_bps = std::mem::replace(&mut self.sent_before_bps, sent_bps);
        let arrived_bps = sent_bps.max(before_bps) * (1.0 - lost);
        let much = (lost > self.loss.usual() + MUCH).then_some(CARRIED_PART * arrived_bps);
        let bounds = [self.loss.bound_bps(), much].into_iter().flatten();
        let bound = bounds.fold(f64::MAX, f64::min);
        if bound < self.rate_bps {
            let floor_bps = self.floor_bps(now_us);
            self.loss.raise(floor_bps);
            self.fall(now_us, bound.max(floor_bps), carried_bps.max(floor_bps));
            return;
        }
        let held = now_us < self.hold_until_us;
        let limit = if held { self.carried_bps } else { f64::MAX };
        let grown = self.rate_bps * GROWTH.powf(seconds.min(1.0));
        let grown = grown.min(limit).min(self.config.max_bps as f64);
        self.rate_bps = self.rate_bps.max(grown);
    }

    /// What a fall leaves. Reports tell of packets of one rate while another one is sent
    /// already, and of streams at different times, so at first what was proven stands
    /// against them; if too much is lost still when that is over, it stands no more.
    fn floor_bps(&mut self, now_us: u64) -> f64 {
        let since = self.episode_us.map(|first| now_us.saturating_sub(first));
        match since.filter(|since| *since < EPISODE_US) {
            None => self.episode_us = Some(now_us),
            Some(since) if since >= SETTLE_US => self.proof = Proof::default(),
            Some(_) => {}
        }
        PROOF_ROOM * self.proof.bps_at(now_us)
    }

    fn fall(&mut self, now_us: u64, bps: f64, carried_bps: f64) {
        let tried_again = now_us >= self.hold_until_us;
        let forgotten = self.fell_at_us.is_none_or(|at| now_us.saturating_sub(at) > FORGET_US);
        if forgotten {
            self.hold_us = FIRST_HOLD_US;
        } else if tried_again {
            self.hold_us = (self.hold_us * 2).min(MAX_HOLD_US);
        }
        self.fell_at_us = Some(now_us);
        self.carried_bps = carried_bps;
        self.hold_until_us = now_us + self.hold_us;
        self.rate_bps = self.rate_bps.min(bps).max(self.config.min_bps as f64);
    }

    fn micros(&self, now: Instant) -> u64 {
        let since: Duration = now.saturating_duration_since(self.origin);
        since.as_secs() * 1_000_000 + u64::from(since.subsec_micros())
    }
}

impl Proof {
    fn add(&mut self, now_us: u64, sent_bps: f64, clean: bool) {
        if !clean {
            self.count = 0;
            return;
        }
        self.clean_bps[self.count % CLEAN_WINDOWS] = sent_bps;
        self.count += 1;
        if self.count < CLEAN_WINDOWS {
            return;
        }
        let least_bps = self.clean_bps.into_iter().fold(f64::MAX, f64::min);
        if least_bps >= self.bps_at(now_us) {
            (self.bps, self.at_us) = (least_bps, now_us);
        }
    }

    fn bps_at(&self, now_us: u64) -> f64 {
        if now_us.saturating_sub(self.at_us) < PROOF_US { self.bps } else { 0.0 }
    }
}

#[cfg(test)]
mod tests;

//! BBR in its first version (draft-cardwell-iccrg-bbr-congestion-control-00): it sends at
//! the rate at which packets were delivered, and loss tells it nothing. Its recovery, which
//! keeps the packets on their way constant for a round trip after loss, is left out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Acknowledged, FIRST_WINDOW};
use crate::link::Random;

/// Doubles what is delivered in each round trip: 2 / ln 2.
const STARTUP_GAIN: f64 = 2.885;
/// One phase asks for more, one drains what that left, six keep it.
const CYCLE: [f64; 8] = [1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
const WINDOW_GAIN: f64 = 2.0;
/// Rounds in which a rate counts.
const RATE_ROUNDS: u64 = 10;
/// Growth that says that more fits, and rounds without it that say that nothing does.
const MORE: f64 = 1.25;
const FULL_ROUNDS: u32 = 3;
/// The smallest round trip is looked for in this time; then it is measured with a queue
/// that is drained for so long.
const MIN_RTT_WINDOW: Duration = Duration::from_secs(10);
const PROBE_RTT: Duration = Duration::from_millis(200);
const LEAST_WINDOW: f64 = 4.0;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Startup,
    Drain,
    /// Phase of the cycle, and since when.
    ProbeRate(usize, Instant),
    /// Until then, once little enough is on its way.
    ProbeRtt(Option<Instant>),
}

#[derive(Debug)]
pub(super) struct Bbr {
    mode: Mode,
    /// Rates by round, falling: the first is the largest.
    rates: VecDeque<(u64, f64)>,
    min_rtt: Option<(Duration, Instant)>,
    round: u64,
    /// The round ends with what is delivered after this many.
    round_ends: u64,
    full_rate: f64,
    full_rounds: u32,
    window: f64,
    random: Random,
}

impl Bbr {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            mode: Mode::Startup,
            rates: VecDeque::new(),
            min_rtt: None,
            round: 0,
            round_ends: 0,
            full_rate: 0.0,
            full_rounds: 0,
            window: FIRST_WINDOW,
            random: Random::new(seed),
        }
    }

    pub(super) fn window(&self) -> f64 {
        if matches!(self.mode, Mode::ProbeRtt(_)) { LEAST_WINDOW } else { self.window }
    }

    /// Between two packets, once a rate is known.
    pub(super) fn gap(&self) -> Option<Duration> {
        let gain = match self.mode {
            Mode::Startup => STARTUP_GAIN,
            Mode::Drain => 1.0 / STARTUP_GAIN,
            Mode::ProbeRate(phase, _) => CYCLE[phase],
            Mode::ProbeRtt(_) => 1.0,
        };
        let rate = self.rate();
        (rate > 0.0).then(|| Duration::from_secs_f64(1.0 / (gain * rate)))
    }

    pub(super) fn acknowledged(&mut self, heard: Acknowledged) {
        let new_round = heard.delivered_before >= self.round_ends;
        if new_round {
            self.round += 1;
            self.round_ends = heard.delivered;
        }
        self.note_rate(heard.rate);
        let expired = self.note_rtt(heard);
        self.advance(heard, new_round);
        self.visit_min_rtt(heard, expired);
        let target = match self.mode {
            Mode::Startup | Mode::Drain => STARTUP_GAIN * self.packets(),
            Mode::ProbeRate(..) | Mode::ProbeRtt(_) => WINDOW_GAIN * self.packets(),
        };
        let grown = self.window + 1.0;
        let filled = !matches!(self.mode, Mode::Startup);
        self.window = if filled { grown.min(target) } else { grown.min(target.max(self.window)) };
        self.window = self.window.max(LEAST_WINDOW);
    }

    fn rate(&self) -> f64 {
        self.rates.front().map_or(0.0, |(_, rate)| *rate)
    }

    /// What is on its way while the link is full and its queue empty.
    fn packets(&self) -> f64 {
        self.rate() * self.min_rtt.map_or(0.0, |(rtt, _)| rtt.as_secs_f64())
    }

    fn note_rate(&mut self, rate: f64) {
        while self.rates.back().is_some_and(|(_, lower)| *lower <= rate) {
            self.rates.pop_back();
        }
        self.rates.push_back((self.round, rate));
        while self.rates.front().is_some_and(|(round, _)| round + RATE_ROUNDS <= self.round) {
            self.rates.pop_front();
        }
    }

    /// Whether the smallest round trip was not seen for long.
    fn note_rtt(&mut self, heard: Acknowledged) -> bool {
        let expired = self.min_rtt.is_some_and(|(_, at)| heard.now - at > MIN_RTT_WINDOW);
        if expired || self.min_rtt.is_none_or(|(least, _)| heard.rtt <= least) {
            self.min_rtt = Some((heard.rtt, heard.now));
        }
        expired
    }

    fn advance(&mut self, heard: Acknowledged, new_round: bool) {
        match self.mode {
            Mode::Startup if new_round => {
                if self.rate() >= MORE * self.full_rate {
                    (self.full_rate, self.full_rounds) = (self.rate(), 0);
                } else {
                    self.full_rounds += 1;
                }
                if self.full_rounds >= FULL_ROUNDS {
                    self.mode = Mode::Drain;
                }
            }
            Mode::Drain if heard.in_flight <= self.packets() => self.cycle(heard.now),
            Mode::ProbeRate(phase, since) => {
                let least = self.min_rtt.map_or(Duration::ZERO, |(rtt, _)| rtt);
                let long = heard.now - since > least;
                let gain = CYCLE[phase];
                let over = if gain > 1.0 {
                    long && (heard.loses || heard.in_flight >= gain * self.packets())
                } else {
                    long || (gain < 1.0 && heard.in_flight <= self.packets())
                };
                if over {
                    self.mode = Mode::ProbeRate((phase + 1) % CYCLE.len(), heard.now);
                }
            }
            Mode::Startup | Mode::Drain | Mode::ProbeRtt(_) => {}
        }
    }

    /// Begins anywhere in the cycle but where it drains.
    fn cycle(&mut self, now: Instant) {
        let phase = match self.random.next() as usize % (CYCLE.len() - 1) {
            0 => 0,
            later => later + 1,
        };
        self.mode = Mode::ProbeRate(phase, now);
    }

    fn visit_min_rtt(&mut self, heard: Acknowledged, expired: bool) {
        match self.mode {
            Mode::ProbeRtt(None) if heard.in_flight <= LEAST_WINDOW => {
                self.mode = Mode::ProbeRtt(Some(heard.now + PROBE_RTT.max(heard.rtt)));
            }
            Mode::ProbeRtt(Some(until)) if heard.now >= until => {
                self.min_rtt = self.min_rtt.map(|(rtt, _)| (rtt, heard.now));
                if self.full_rounds >= FULL_ROUNDS {
                    self.cycle(heard.now);
                } else {
                    self.mode = Mode::Startup;
                }
            }
            Mode::ProbeRtt(_) => {}
            Mode::Startup | Mode::Drain | Mode::ProbeRate(..) if expired => {
                self.mode = Mode::ProbeRtt(None);
            }
            Mode::Startup | Mode::Drain | Mode::ProbeRate(..) => {}
        }
    }
}

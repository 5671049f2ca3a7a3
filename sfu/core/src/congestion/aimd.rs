//! Additive increase, multiplicative decrease: from what the delay says to a rate
//! (draft-ietf-rmcat-gcc-02, section 5.5).

use super::trend::Usage;

/// What remains of the arriving rate after overuse.
const BACKOFF: f64 = 0.85;
/// A queue longer than this is drained, not only kept from growing: then this
/// remains, and less when it is longer still. A second of delay ends a talk.
const DRAINS: [(i64, f64); 2] = [(600_000, 0.25), (200_000, 0.5)];
/// A queue that a picture fills and that is empty again before the next one.
const SHORT_QUEUE_US: i64 = 25_000;
/// Growth per second while the link's capacity is not near.
const GROWTH: f64 = 1.08;
/// The estimate stays below this multiple of what arrives: more was never seen to fit.
const MAX_OVER_ACKED: f64 = 1.5;
/// Lets a very low rate grow at all.
const ACKED_SLACK_BPS: f64 = 10_000.0;
/// Growth near the capacity is at least this much per second.
const MIN_ADDITIVE_BPS: f64 = 4_000.0;
/// What the far end needs to report, on top of a round trip.
const REPORT_US: i64 = 100_000;
/// Weight of the newest sample in the capacity.
const CAPACITY_WEIGHT: f64 = 0.05;
/// What a single probe may prove beyond the known capacity.
const BEYOND_CAPACITY: f64 = 1.2;
/// Beside others who answer loss alone: what remains after it, and the packets a round
/// trip by which the rate grows in each. The pair is as fair to one packet and one half
/// (RFC 5681) as theirs are to each other (RFC 9438 section 4.3), and shakes a picture less.
const CONTESTED_BACKOFF: f64 = 0.7;
const CONTESTED_PACKETS: f64 = 0.53;
/// But at most this part of itself a second: many of ours who take each other for others
/// then leave the queue empty after a step back, and know better.
const CONTESTED_GROWTH: f64 = 0.08;
/// And at least this part: where much fits on the path, CUBIC does not grow by packets, but
/// back to where it was within seconds.
const CONTESTED_LEAST_GROWTH: f64 = 0.04;
/// Theirs are as large as a path allows.
const THEIR_PACKET_BITS: f64 = 1_500.0 * 8.0;
const PACKET_BITS: f64 = 1_200.0 * 8.0;
/// A queue that is contested makes the round trip longer than this.
const MIN_RTT_US: i64 = 50_000;
const FRAMES_PER_SECOND: f64 = 30.0;

/// What the link carried each time it was full: mean and normalised variance.
#[derive(Debug)]
pub(super) struct Capacity {
    mean_bps: Option<f64>,
    /// Variance over the mean.
    variance: f64,
}

impl Capacity {
    const FIRST_VARIANCE: f64 = 400.0;

    const fn new() -> Self {
        Self { mean_bps: None, variance: Self::FIRST_VARIANCE }
    }

    const fn forget(&mut self) {
        *self = Self::new();
    }

    fn add(&mut self, sample_bps: f64) {
        let sample = sample_bps / 1e3;
        let mean = self
            .mean_bps
            .map_or(sample, |mean| (1.0 - CAPACITY_WEIGHT) * mean / 1e3 + CAPACITY_WEIGHT * sample);
        let error = mean - sample;
        let variance = (1.0 - CAPACITY_WEIGHT) * self.variance
            + CAPACITY_WEIGHT * error * error / mean.max(1.0);
        self.variance = variance.clamp(0.4, 2.5);
        self.mean_bps = Some(mean * 1e3);
    }

    fn deviation_bps(mean_bps: f64, variance: f64) -> f64 {
        (variance * mean_bps / 1e3).sqrt() * 1e3
    }

    fn is_below(&self, rate_bps: f64) -> bool {
        self.mean_bps
            .is_some_and(|mean| rate_bps > mean + 3.0 * Self::deviation_bps(mean, self.variance))
    }

    fn is_above(&self, rate_bps: f64) -> bool {
        self.mean_bps
            .is_some_and(|mean| rate_bps < mean - 3.0 * Self::deviation_bps(mean, self.variance))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Hold,
    /// Growing; since when, or since the last step.
    Increase {
        since_us: u64,
    },
}

/// What is known when a rate is decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    pub(super) usage: Usage,
    pub(super) acked_bps: Option<f64>,
    pub(super) sent_bps: f64,
    pub(super) rtt_us: i64,
    /// How long packets wait on the way.
    pub(super) queue_us: i64,
    /// Much less is sent than the estimate allows.
    pub(super) application_limited: bool,
    /// Others keep the queue long.
    pub(super) contested: bool,
}

impl Evidence {
    /// Whether what looks like overuse is a keyframe: packets of one picture queue behind
    /// each other, but the least delayed one of the report hardly waited. Before the
    /// picture less was sent than the link carries, so to fall to what arrives would be
    /// to fall to that; if the link is full indeed, the queue stays.
    pub(super) fn is_own_burst(&self) -> bool {
        self.usage == Usage::Over && self.queue_us < SHORT_QUEUE_US
    }

    /// What to keep of the arriving rate to empty a long queue, if it is our own.
    /// It is when less arrives than is sent, or more, as it empties. When as much
    /// arrives as is sent, others keep it long, and to yield would only starve us.
    fn drain(&self) -> Option<f64> {
        let acked = self.acked_bps?;
        if acked < 1.15 * self.sent_bps && acked > 0.85 * self.sent_bps {
            return None;
        }
        let (_, keep) = DRAINS.iter().find(|(queue_us, _)| self.queue_us > *queue_us)?;
        Some(*keep)
    }
}

#[derive(Debug)]
pub(super) struct Aimd {
    rate_bps: f64,
    state: State,
    capacity: Capacity,
    decreased_at_us: Option<u64>,
}

impl Aimd {
    pub(super) const fn new(rate_bps: f64) -> Self {
        Self { rate_bps, state: State::Hold, capacity: Capacity::new(), decreased_at_us: None }
    }

    pub(super) const fn rate_bps(&self) -> f64 {
        self.rate_bps
    }

    /// Whether the link was full, and still carries about as much.
    pub(super) const fn knows_capacity(&self) -> bool {
        self.capacity.mean_bps.is_some()
    }

    /// When the rate was reduced last.
    pub(super) const fn decreased_at_us(&self) -> Option<u64> {
        self.decreased_at_us
    }

    /// Another bound decided.
    pub(super) const fn set(&mut self, rate_bps: f64) {
        self.rate_bps = rate_bps;
        self.state = State::Hold;
    }

    /// A probe found this rate. Well beyond what the link carried when it was full, one
    /// probe is not enough: behind jitter its packets may arrive closer than they could
    /// have. The next one, from there, decides.
    pub(super) fn raise(&mut self, rate_bps: f64) {
        let believed = match self.capacity.mean_bps {
            Some(mean) if rate_bps > BEYOND_CAPACITY * mean => {
                self.capacity.forget();
                BEYOND_CAPACITY * mean
            }
            _ => rate_bps,
        };
        self.set(self.rate_bps.max(believed));
    }

    /// Whether the rate fell.
    pub(super) fn update(&mut self, now_us: u64, evidence: Evidence) -> bool {
        match (evidence.usage, self.state) {
            (Usage::Over, _) => self.decrease(now_us, evidence),
            (Usage::Under, _) => {
                self.state = State::Hold;
                false
            }
            (Usage::Normal, State::Hold) => {
                self.state = State::Increase { since_us: now_us };
                false
            }
            (Usage::Normal, State::Increase { since_us }) => {
                self.increase(now_us.saturating_sub(since_us), evidence);
                self.state = State::Increase { since_us: now_us };
                false
            }
        }
    }

    fn increase(&mut self, elapsed_us: u64, evidence: Evidence) {
        let Some(acked) = evidence.acked_bps else { return };
        if self.capacity.is_below(acked) {
            self.capacity.forget();
        }
        let ceiling = MAX_OVER_ACKED * acked + ACKED_SLACK_BPS;
        if self.rate_bps >= ceiling || evidence.application_limited {
            return;
        }
        let seconds = elapsed_us.min(1_000_000) as f64 / 1e6;
        let grown = if evidence.contested {
            self.rate_bps
                + seconds
                    * contested_bps(evidence.rtt_us)
                        .max(CONTESTED_LEAST_GROWTH * self.rate_bps)
                        .min(CONTESTED_GROWTH * self.rate_bps)
        } else if self.capacity.mean_bps.is_some() {
            self.rate_bps + seconds * self.additive_bps(evidence.rtt_us)
        } else {
            (self.rate_bps * GROWTH.powf(seconds)).max(self.rate_bps + seconds * 1_000.0)
        };
        self.rate_bps = grown.min(ceiling);
    }

    /// About a packet per response time, as long as the link is nearly full.
    fn additive_bps(&self, rtt_us: i64) -> f64 {
        let frame_bits = self.rate_bps / FRAMES_PER_SECOND;
        let packets = (frame_bits / PACKET_BITS).ceil().max(1.0);
        let response_s = (rtt_us + REPORT_US) as f64 / 1e6;
        (frame_bits / packets / response_s).max(MIN_ADDITIVE_BPS)
    }

    fn decrease(&mut self, now_us: u64, evidence: Evidence) -> bool {
        self.state = State::Hold;
        let Some(acked) = evidence.acked_bps else {
            // Nothing is known of what arrives: half, once per response time.
            return self.may_decrease(now_us, evidence.rtt_us)
                && self.fall(now_us, self.rate_bps / 2.0);
        };
        if !self.may_decrease(now_us, evidence.rtt_us) && acked >= self.rate_bps / 2.0 {
            return false;
        }
        if evidence.contested {
            return self.fall(now_us, CONTESTED_BACKOFF * self.rate_bps);
        }
        let keep = evidence.drain().unwrap_or(BACKOFF);
        let mut next = keep * acked;
        if next > self.rate_bps {
            next = self.capacity.mean_bps.map_or(self.rate_bps, |mean| keep * mean);
        }
        if self.capacity.is_above(acked) {
            self.capacity.forget();
        }
        self.capacity.add(acked);
        self.fall(now_us, next)
    }

    fn may_decrease(&self, now_us: u64, rtt_us: i64) -> bool {
        let response = rtt_us.clamp(10_000, 200_000) as u64;
        self.decreased_at_us.is_none_or(|at| now_us.saturating_sub(at) >= response)
    }

    fn fall(&mut self, now_us: u64, rate_bps: f64) -> bool {
        let falls = rate_bps < self.rate_bps;
        if falls {
            self.rate_bps = rate_bps;
        }
        self.decreased_at_us = Some(now_us);
        falls
    }
}

/// What a rate gains in a second beside others.
fn contested_bps(rtt_us: i64) -> f64 {
    let rtt_s = rtt_us.max(MIN_RTT_US) as f64 / 1e6;
    CONTESTED_PACKETS * THEIR_PACKET_BITS / (rtt_s * rtt_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(usage: Usage, acked_bps: f64) -> Evidence {
        Evidence {
            usage,
            acked_bps: Some(acked_bps),
            sent_bps: acked_bps,
            rtt_us: 50_000,
            queue_us: 0,
            application_limited: false,
            contested: false,
        }
    }

    fn run(aimd: &mut Aimd, from_ms: u64, to_ms: u64, usage: Usage, acked_bps: f64) {
        for ms in (from_ms..to_ms).step_by(50) {
            aimd.update(ms * 1_000, evidence(usage, acked_bps));
        }
    }

    #[test]
    fn it_grows_by_a_part_until_it_knows_the_capacity_then_by_steps() {
        let mut aimd = Aimd::new(1e6);
        run(&mut aimd, 0, 1_050, Usage::Normal, 1e6);
        assert!((1.06e6..1.09e6).contains(&aimd.rate_bps()), "{}", aimd.rate_bps());
        aimd.update(1_100_000, evidence(Usage::Over, 1e6));
        assert!((0.84e6..0.86e6).contains(&aimd.rate_bps()), "{}", aimd.rate_bps());
        let before = aimd.rate_bps();
        run(&mut aimd, 1_150, 2_250, Usage::Normal, 0.85e6);
        let gained = aimd.rate_bps() - before;
        assert!((20e3..120e3).contains(&gained), "{gained}");
    }

    #[test]
    fn it_never_outgrows_what_was_seen_to_arrive() {
        let mut aimd = Aimd::new(1e6);
        run(&mut aimd, 0, 120_000, Usage::Normal, 0.8e6);
        assert!(aimd.rate_bps() <= 1.5 * 0.8e6 + 10e3 + 1.0, "{}", aimd.rate_bps());
    }

    #[test]
    fn one_overuse_is_answered_once() {
        let mut aimd = Aimd::new(1e6);
        assert!(aimd.update(1_000, evidence(Usage::Over, 0.9e6)));
        let once = aimd.rate_bps();
        assert!(!aimd.update(2_000, evidence(Usage::Over, 0.8e6)));
        assert!((aimd.rate_bps() - once).abs() < 1.0);
        assert!(aimd.update(200_000, evidence(Usage::Over, 0.5e6)));
    }

    #[test]
    fn a_burst_that_leaves_no_queue_is_no_overuse() {
        let burst = Evidence { queue_us: 10_000, ..evidence(Usage::Over, 0.5e6) };
        assert!(burst.is_own_burst());
        assert!(!Evidence { queue_us: 40_000, ..burst }.is_own_burst());
        assert!(!Evidence { usage: Usage::Normal, ..burst }.is_own_burst());
    }

    #[test]
    fn a_long_queue_is_drained() {
        let mut aimd = Aimd::new(1e6);
        let long = Evidence { queue_us: 500_000, sent_bps: 2e6, ..evidence(Usage::Over, 0.9e6) };
        aimd.update(1_000, long);
        assert!(aimd.rate_bps() <= 0.46e6, "{}", aimd.rate_bps());
    }
}

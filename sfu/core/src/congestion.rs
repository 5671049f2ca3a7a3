//! How much a path carries: a send-side bandwidth estimate over transport-wide
//! feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01), in the manner of
//! Google Congestion Control (draft-ietf-rmcat-gcc-02).
//!
//! One [`Estimator`] per subscriber. It numbers what it is told was sent, hears
//! which of it arrived and when, and says what rate fits. It knows sizes and times
//! only: no packet, layer or codec, no clock, no WebRTC stack. Since it judges by
//! its own sequence alone, a publisher's loss on the way to the relay is never
//! charged to a subscriber.
//!
//! ```text
//! on every packet    seq = on_sent(now, bytes, Payload::Media), written as transport-cc
//! on feedback        on_feedback(now, packets)
//! at next_timeout()  handle_timeout(now)
//! then               while let Some(probe) = probe(now) { send probe.bytes }
//! read               estimate_bps(), pacing_bps()
//! ```
//!
//! Nothing is allocated per packet; all memory is bounded (at most 32 KiB, 2 KiB for
//! a slow path).

use std::time::{Duration, Instant};

mod acked;
mod aimd;
mod contest;
mod groups;
mod history;
mod loss;
mod pacer;
mod probe;
mod queue;
mod reports;
mod silence;
mod trend;

use acked::Acked;
use aimd::{Aimd, Evidence};
use contest::{Contest, News, Verdict};
use groups::Groups;
use history::{History, Sent};
use loss::Loss;
use probe::Prober;
use queue::Queue;
use silence::{Heard, Silence};
use trend::Trend;

pub use pacer::Pacer;
pub use probe::Probe;
pub use reports::ReportEstimator;
pub use trend::Usage;

/// Frames leave that much faster than the estimate, so that a keyframe does not
/// take seconds; draft-ietf-rmcat-gcc-02 leaves it open, browsers use 2.5.
const PACING_FACTOR: f64 = 2.5;
/// Once the link was seen to be full the estimate is near what it carries: faster than
/// this, a keyframe would only wait in the link's queue, and look like overuse there.
const FULL_PACING_FACTOR: f64 = 1.25;
/// Sending less than this part of the estimate says nothing about the rest of it.
const APPLICATION_LIMITED: f64 = 0.65;
/// Round trip assumed until one is measured.
const FIRST_RTT_US: i64 = 100_000;
/// The sent rate is measured over one to two of these.
const RATE_WINDOW_US: u64 = 250_000;
/// More than this multiple of the mean arrives when much more is sent than before.
const RAMP: f64 = 1.3;
/// A path that carries less than this part of the estimate is not loaded.
const LOADED: f64 = 0.8;
/// What waits less may be jitter.
const NOISE_QUEUE_US: i64 = 60_000;
/// More than this multiple of the usual loss is more than chance.
const UNUSUAL: f64 = 2.0;
/// No probe into a queue this long, nor this soon after overuse.
const QUIET_QUEUE_US: i64 = 80_000;
const QUIET_US: u64 = 500_000;
/// A fall to this part of what was proven before is worth probing soon.
const LARGE_FALL: f64 = 0.67;

/// Bounds of one estimate, bits per second.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The estimate never falls below: voice has to fit.
    pub min_bps: u64,
    /// The estimate before anything is known.
    pub start_bps: u64,
    /// The estimate never grows beyond.
    pub max_bps: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { min_bps: 50_000, start_bps: 600_000, max_bps: 20_000_000 }
    }
}

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Media, new or sent again because it was asked for.
    Media,
    /// Sent only to be measured.
    Padding,
}

/// Estimates what one path carries.
#[derive(Debug)]
pub struct Estimator {
    config: Config,
    /// All times inside are microseconds since then.
    origin: Instant,
    history: History,
    groups: Groups,
    trend: Trend,
    queue: Queue,
    acked: Acked,
    aimd: Aimd,
    contest: Contest,
    loss: Loss,
    prober: Prober,
    sending: SendRate,
    rtt_us: i64,
    /// One more than the highest number any feedback named.
    covered: u64,
    silence: Silence,
    desired_bps: f64,
    /// The highest estimate since the last large fall.
    peak_bps: f64,
    estimate_bps: f64,
}

impl Estimator {
    pub fn new(now: Instant, config: Config) -> Self {
        let start = config.start_bps.clamp(config.min_bps, config.max_bps) as f64;
        Self {
            config,
            origin: now,
            history: History::new(),
            groups: Groups::default(),
            trend: Trend::new(),
            queue: Queue::new(),
            acked: Acked::new(),
            aimd: Aimd::new(start),
            contest: Contest::new(),
            loss: Loss::new(),
            prober: Prober::new(),
            sending: SendRate::default(),
            rtt_us: FIRST_RTT_US,
            covered: 0,
            silence: Silence::new(),
            desired_bps: 0.0,
            peak_bps: start,
            estimate_bps: start,
        }
    }

    /// A packet of `bytes` (with headers, without IP and UDP) leaves now. Returns
    /// the transport-wide sequence number it has to carry.
    pub fn on_sent(&mut self, now: Instant, bytes: usize, payload: Payload) -> u16 {
        let now_us = self.micros(now);
        let seq = self.history.push(now_us, bytes, self.prober.mark());
        self.prober.on_sent(now_us, bytes, self.rtt_us);
        if payload == Payload::Media {
            self.sending.add(now_us, bytes);
        }
        self.silence.on_sent(now_us, self.rtt_us);
        seq as u16
    }

    /// Feedback arrived: for each packet it covers, in order of the sequence, the
    /// number and the arrival in microseconds on the far end's clock (any origin;
    /// `None`: not received). Numbers never sent are ignored.
    pub fn on_feedback(
        &mut self,
        now: Instant,
        packets: impl IntoIterator<Item = (u16, Option<i64>)>,
    ) {
        let now_us = self.micros(now);
        let (mut newest, mut newest_lost_us, mut received, mut lost) = (None, None, 0, 0);
        for (seq, arrival) in packets {
            self.note_gap(seq);
            match arrival {
                Some(arrival_us) => {
                    if let Some(sent) = self.history.receive(now_us, seq) {
                        self.received(sent, arrival_us);
                        newest = Some(sent);
                        received += 1;
                    }
                }
                None => {
                    if let Some(sent) = self.history.lose(now_us, seq) {
                        if sent.cluster == 0 {
                            newest_lost_us = newest_lost_us.max(Some(sent.sent_us));
                        }
                        self.lost(sent);
                        lost += 1;
                    }
                }
            }
        }
        let Some(newest) = newest else { return };
        self.measure_rtt(now_us, newest);
        self.queue.update(now_us, self.contest.is_on());
        let heard = Heard {
            newest_sent_us: newest.sent_us,
            received,
            lost,
            wait_us: self.queue.wait_us(),
            usual_loss: self.loss.usual(),
            in_flight: self.covered < self.history.next_seq(),
        };
        if let Some(before_bps) = self.silence.on_feedback(now_us, self.rtt_us, heard) {
            self.aimd.set(before_bps.max(self.aimd.rate_bps()));
        }
        // What was sent before the last step back is lost of what that answered.
        let unanswered = newest_lost_us > self.aimd.decreased_at_us();
        let share = f64::from(lost) / f64::from(lost + received);
        self.decide(now_us, unanswered && share > UNUSUAL * self.loss.usual());
    }

    /// Something else than feedback tells that what is sent arrives: the receiver's
    /// highest sequence number grew (RFC 3550 section 6.4.1). That somebody is heard at
    /// all would say nothing: their packets go the other way.
    pub fn on_progress(&mut self, now: Instant) {
        let now_us = self.micros(now);
        self.silence.on_progress(now_us, self.rtt_us);
    }

    /// What the path carries was found out in another way.
    pub(crate) fn assume(&mut self, now: Instant, bps: u64) {
        self.aimd.set(bps as f64);
        self.settle(self.micros(now));
    }

    /// A round trip measured elsewhere (RTCP, ICE). Without it feedback tells.
    pub fn on_rtt(&mut self, rtt: Duration) {
        let rtt_us = rtt.as_micros().min(10_000_000) as i64;
        self.rtt_us += (rtt_us - self.rtt_us) / 4;
    }

    /// The round trip, with the time for which reports are held back, once one came.
    pub fn round_trip(&self) -> Option<Duration> {
        (self.covered > 0).then(|| Duration::from_micros(self.rtt_us.unsigned_abs()))
    }

    /// What the subscriber could make use of; probing goes on until the estimate
    /// is there, so that a path is never left at a low estimate that nobody tests.
    pub fn set_desired_bps(&mut self, now: Instant, desired_bps: u64) {
        let desired = desired_bps.min(self.config.max_bps) as f64;
        if desired > self.desired_bps {
            let now_us = self.micros(now);
            self.prober.wish(now_us);
        }
        self.desired_bps = desired;
    }

    /// When to call [`Self::handle_timeout`] and [`Self::probe`] next.
    pub fn next_timeout(&self) -> Option<Instant> {
        let probe = self.prober.next_us(self.estimate_bps, self.desired_bps);
        let next_us = [probe, self.silence.due_us()].into_iter().flatten().min()?;
        Some(self.origin + Duration::from_micros(next_us))
    }

    /// Does what is due: begins and gives up probes, backs off without feedback.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now_us = self.micros(now);
        self.back_off_in_silence(now_us);
        self.finish_probe(now_us);
        if !self.may_probe() {
            self.prober.postpone(now_us + QUIET_US);
        }
        self.prober.start(now_us, self.estimate_bps, self.desired_bps);
    }

    /// What to send now of a probe, beside what is sent anyway.
    pub fn probe(&self, now: Instant) -> Option<Probe> {
        self.prober.due(self.micros(now))
    }

    /// What the path carries, bits per second.
    pub const fn estimate_bps(&self) -> u64 {
        self.estimate_bps as u64
    }

    /// The rate to send at while something waits.
    pub fn pacing_bps(&self) -> u64 {
        let probing = self.prober.pacing_bps().unwrap_or(0.0);
        let factor = if self.aimd.knows_capacity() { FULL_PACING_FACTOR } else { PACING_FACTOR };
        (factor * self.estimate_bps).max(probing) as u64
    }

    /// What arrives at the far end; `None` in the first moments.
    pub fn acked_bps(&self) -> Option<u64> {
        self.acked.rate_bps().map(|rate| rate as u64)
    }

    /// How long packets wait in queues on the way.
    pub fn queue_delay(&self) -> Duration {
        Duration::from_micros(self.queue.wait_us().max(0) as u64)
    }

    /// Part of the packets lost on this path in about the last second.
    pub const fn loss(&self) -> f64 {
        self.loss.recent()
    }

    /// Part of the packets that the path loses at any rate.
    pub(crate) const fn usual_loss(&self) -> f64 {
        self.loss.usual()
    }

    /// What the delay says at the moment.
    pub const fn usage(&self) -> Usage {
        self.trend.usage()
    }

    fn received(&mut self, sent: Sent, arrival_us: i64) {
        self.acked.add(arrival_us, sent.bytes);
        self.queue.add(sent.sent_us, arrival_us);
        if sent.cluster != 0 {
            // Its queue is of the probe's own making. The next packets are compared
            // with each other again, not with it.
            self.prober.on_received(sent.cluster, sent.sent_us, arrival_us, sent.bytes);
            self.groups.restart();
            return;
        }
        self.loss.received(sent.sent_us, sent.bytes, sent.was_lost);
        if let Some(step) = self.groups.add(sent.sent_us, arrival_us) {
            self.trend.add(step);
        }
    }

    fn lost(&mut self, sent: Sent) {
        if sent.cluster == 0 {
            self.loss.lost(sent.sent_us, sent.bytes);
        } else {
            self.prober.on_lost(sent.cluster);
        }
    }

    /// A report between this and the last one did not arrive: what it said of is
    /// unknown, which is neither loss nor a low rate.
    fn note_gap(&mut self, wire_seq: u16) {
        let Some(seq) = self.history.extend(wire_seq) else { return };
        if seq > self.covered {
            self.acked.skip();
        }
        self.covered = self.covered.max(seq + 1);
    }

    /// The newest packet was reported soonest after it arrived.
    fn measure_rtt(&mut self, now_us: u64, newest: Sent) {
        let rtt_us = now_us.saturating_sub(newest.sent_us) as i64;
        self.rtt_us += (rtt_us - self.rtt_us) / 8;
    }

    /// `loses`: more media packets did not arrive than usual, and were sent since the last
    /// step back.
    fn decide(&mut self, now_us: u64, loses: bool) {
        // What arrives from a link that just became slow is in the newest pieces only;
        // so is what it can carry when it was hardly used before.
        let (mean, newest) = (self.acked.rate_bps(), self.acked.newest_bps());
        let (usage, acked_bps) = if self.queue.is_filling() {
            (Usage::Over, newest)
        } else {
            let ramps = newest > mean.map(|mean| RAMP * mean);
            (self.trend.usage(), if ramps { newest } else { mean })
        };
        let sent_bps = self.sending.rate_bps(now_us);
        let mut evidence = Evidence {
            usage,
            acked_bps,
            sent_bps,
            rtt_us: self.rtt_us,
            queue_us: self.queue.wait_us(),
            application_limited: sent_bps < APPLICATION_LIMITED * self.estimate_bps,
            contested: self.contest.is_on(),
        };
        if evidence.contested && !self.queue.is_filling() {
            evidence.usage = if loses { Usage::Over } else { Usage::Normal };
        }
        // Far below the estimate a growing delay is noise, or a frame that was larger than
        // the others, unless it makes a queue: what arrives then is no capacity.
        let loaded = acked_bps.is_some_and(|acked| acked >= LOADED * self.estimate_bps);
        let idle = evidence.application_limited || !loaded;
        if idle && evidence.queue_us < NOISE_QUEUE_US && evidence.usage == Usage::Over {
            evidence.usage = Usage::Normal;
        } else if evidence.is_own_burst() {
            evidence.usage = Usage::Under;
        }
        let fell = self.aimd.update(now_us, evidence);
        let (wait_us, rate_bps) = (evidence.queue_us, self.aimd.rate_bps());
        let news = News { wait_us, fell, rate_bps, acked_bps: mean, sent_bps };
        match self.contest.update(now_us, news) {
            Verdict::Nothing => {}
            Verdict::Others { share_bps } => self.aimd.set(share_bps.max(rate_bps)),
            Verdict::LongerWay { wait_us } => self.queue.accept(wait_us),
        }
        self.loss.update(now_us, self.aimd.rate_bps(), acked_bps);
        if usage == Usage::Over {
            self.prober.on_overuse(now_us);
        }
        self.settle(now_us);
        self.finish_probe(now_us);
    }

    fn finish_probe(&mut self, now_us: u64) {
        let Some(finding) = self.prober.finish(now_us) else { return };
        if finding.rate_bps > self.estimate_bps {
            self.aimd.raise(finding.rate_bps);
            self.loss.raise(finding.rate_bps);
            self.settle(now_us);
        }
    }

    /// Brings delay and loss together, and notices a fall.
    fn settle(&mut self, now_us: u64) {
        let (min, max) = (self.config.min_bps as f64, self.config.max_bps as f64);
        let delay = self.aimd.rate_bps();
        if !(min..=max).contains(&delay) {
            self.aimd.set(delay.clamp(min, max));
        }
        let bound = self.loss.bound_bps().unwrap_or(max);
        self.estimate_bps = self.aimd.rate_bps().min(bound).max(min);
        self.peak_bps = self.peak_bps.max(self.estimate_bps);
        if self.estimate_bps < LARGE_FALL * self.peak_bps {
            self.peak_bps = self.estimate_bps;
            self.prober.hope(now_us);
        }
    }

    fn may_probe(&self) -> bool {
        self.trend.usage() != Usage::Over
            && self.queue.wait_us() < QUIET_QUEUE_US
            && !self.loss.is_alarming()
    }

    /// Without feedback nothing is known of the path, so ever less is risked.
    fn back_off_in_silence(&mut self, now_us: u64) {
        if let Some(lower_bps) = self.silence.step(now_us, self.estimate_bps) {
            self.aimd.set(lower_bps);
            self.settle(now_us);
        }
    }

    fn micros(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.origin);
        since.as_secs() * 1_000_000 + u64::from(since.subsec_micros())
    }
}

/// The rate at which media is sent, over the last one to two windows.
#[derive(Debug, Default)]
struct SendRate {
    start_us: u64,
    bytes: u64,
    earlier_bytes: u64,
}

impl SendRate {
    fn add(&mut self, now_us: u64, bytes: usize) {
        self.roll(now_us);
        self.bytes += bytes as u64;
    }

    fn rate_bps(&mut self, now_us: u64) -> f64 {
        self.roll(now_us);
        let elapsed_us = now_us.saturating_sub(self.start_us) + RATE_WINDOW_US;
        (self.bytes + self.earlier_bytes) as f64 * 8e6 / elapsed_us as f64
    }

    fn roll(&mut self, now_us: u64) {
        let elapsed = now_us.saturating_sub(self.start_us);
        if elapsed >= RATE_WINDOW_US {
            let recent = elapsed < 2 * RATE_WINDOW_US;
            self.earlier_bytes = if recent { self.bytes } else { 0 };
            self.bytes = 0;
            self.start_us = if recent { self.start_us + RATE_WINDOW_US } else { now_us };
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
mod tests {
    use super::*;

    #[test]
    fn the_first_report_tells_the_round_trip() {
        let start = Instant::now();
        let mut estimator = Estimator::new(start, Config::default());
        let mut number = 0;
        for ms in [0, 20, 40] {
            number = estimator.on_sent(start + Duration::from_millis(ms), 1_000, Payload::Media);
        }
        assert_eq!(estimator.round_trip(), None);
        let reported = start + Duration::from_millis(40 + 300);
        estimator.on_feedback(reported, std::iter::once((number, Some(7_000))));
        let first = Duration::from_micros(FIRST_RTT_US.unsigned_abs());
        let told = estimator.round_trip().expect("a report came");
        assert!(told > first && told < Duration::from_millis(300), "{told:?}");
    }
}

//! A sender that follows its estimate, and what it achieved.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use housecall_sfu_core::congestion::{Config, Estimator, Pacer, Payload};

use super::record::{Record, bottleneck};
use super::transfer::{Kind, Transfer};
use crate::link::{Link, Path, Random};

pub(super) const MS: Duration = Duration::from_millis(1);
/// IPv4 and UDP, which count at a bottleneck and not for the estimator.
const BELOW_RTP_BYTES: usize = 28;
const MAX_PACKET_BYTES: usize = 1_150;
const FRAME: Duration = Duration::from_millis(33);
const FEEDBACK: Duration = Duration::from_millis(100);
const AUDIO: Duration = Duration::from_millis(20);
const AUDIO_BYTES: usize = 120;

/// What the application sends beside voice.
#[derive(Clone, Copy, Debug)]
pub(super) enum Video {
    /// As much as the estimate allows, in frames of uneven size.
    Adaptive,
    /// The best of these rates that fits into the estimate; another one begins with a
    /// key frame, four times as large as others.
    Layers(&'static [u64]),
    /// Nothing.
    None,
}

type Feedback = Vec<(u16, Option<i64>)>;

/// What the far end does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FarEnd {
    Runs,
    /// It notes arrivals and writes reports, which all leave when it runs again.
    HoldsReports,
    /// It gets no processor: what arrives waits in its socket, to be noted when it runs
    /// again.
    Sleeps,
}

/// How long the far end remembers arrivals, for those that come out of order.
const MEMORY: u64 = 1_000;

/// The far end: notes arrivals, and reports them.
struct Receiver {
    /// Number of the next packet to report on, extended.
    base: u64,
    /// The lowest that arrived since the last report.
    lowest: Option<u64>,
    arrivals: BTreeMap<u64, i64>,
    next_report: Instant,
    does: FarEnd,
    /// What waits for it to run again.
    held: Vec<Feedback>,
    unread: Vec<u64>,
    /// Its clock runs at this speed, and began somewhere else.
    clock_speed: f64,
}

impl Receiver {
    fn receive(&mut self, start: Instant, at: Instant, seq: u64) {
        if self.does == FarEnd::Sleeps {
            self.unread.push(seq);
            return;
        }
        let own_us = (at - start).as_micros() as f64 * self.clock_speed;
        let ticks = (own_us as i64 + 77_777_777) / 250;
        self.arrivals.entry(seq).or_insert(ticks * 250);
        self.lowest = Some(self.lowest.map_or(seq, |lowest| lowest.min(seq)));
    }

    /// The reports that leave now.
    fn turn(&mut self, start: Instant, now: Instant) -> Vec<Feedback> {
        if self.does == FarEnd::Runs {
            for seq in std::mem::take(&mut self.unread) {
                self.receive(start, now, seq);
            }
        }
        if self.next_report <= now && self.does != FarEnd::Sleeps {
            self.next_report = now + FEEDBACK;
            let report = self.report();
            self.held.extend(report);
        }
        if self.does == FarEnd::Runs { std::mem::take(&mut self.held) } else { Vec::new() }
    }

    /// All numbers from the last report, or from what came too late for it, to the
    /// highest that arrived.
    fn report(&mut self) -> Option<Feedback> {
        let first = self.lowest.take()?.min(self.base);
        let (last, _) = self.arrivals.last_key_value()?;
        let report = (first..=*last).map(|seq| (seq as u16, self.arrivals.get(&seq).copied()));
        let report = report.collect();
        self.base = last + 1;
        self.arrivals = self.arrivals.split_off(&self.base.saturating_sub(MEMORY));
        Some(report)
    }
}

pub(super) struct Flow {
    pub(super) estimator: Estimator,
    pub(super) video: Video,
    pub(super) desired_bps: u64,
    pub(super) clock_speed: f64,
    /// Nothing is sent, not even voice.
    pub(super) muted: bool,
    started: Instant,
    pacer: Pacer,
    queue: VecDeque<usize>,
    queued_bytes: usize,
    last_video_bps: f64,
    next_frame: Instant,
    next_audio: Instant,
    sent: u64,
    pub(super) sent_bytes: usize,
    pub(super) voice_sent: u64,
    pub(super) voice_received: u64,
    receiver: Receiver,
    random: Random,
    pub(super) estimate_sum: f64,
    pub(super) estimate_count: f64,
}

impl Flow {
    fn new(now: Instant, config: Config, seed: u64) -> Self {
        Self {
            estimator: Estimator::new(now, config),
            video: Video::Adaptive,
            desired_bps: 5_000_000,
            clock_speed: 1.0,
            muted: false,
            started: now,
            pacer: Pacer::new(now, config.start_bps),
            queue: VecDeque::new(),
            queued_bytes: 0,
            last_video_bps: 0.0,
            next_frame: now,
            next_audio: now,
            sent: 0,
            sent_bytes: 0,
            voice_sent: 0,
            voice_received: 0,
            receiver: Receiver {
                base: 0,
                lowest: None,
                arrivals: BTreeMap::new(),
                next_report: now + FEEDBACK,
                does: FarEnd::Runs,
                held: Vec::new(),
                unread: Vec::new(),
                clock_speed: 1.0,
            },
            random: Random::new(seed),
            estimate_sum: 0.0,
            estimate_count: 0.0,
        }
    }

    /// The mean estimate since the last call, bits per second.
    pub(super) fn take_mean_bps(&mut self) -> f64 {
        std::mem::take(&mut self.estimate_sum) / std::mem::take(&mut self.estimate_count)
    }

    fn video_bps(&self) -> f64 {
        let audio = AUDIO_BYTES as f64 * 8.0 / AUDIO.as_secs_f64();
        let left = self.estimator.estimate_bps() as f64 - audio;
        match self.video {
            Video::Adaptive => left.max(0.0),
            Video::Layers(rates) => {
                let fits = rates.iter().filter(|rate| **rate as f64 <= left).max();
                fits.map_or(0.0, |rate| *rate as f64)
            }
            Video::None => 0.0,
        }
    }

    /// Puts a frame into the queue: its size varies as an encoder's does.
    fn make_frame(&mut self) {
        let rate = self.video_bps();
        let switches = matches!(self.video, Video::Layers(_)) && rate != self.last_video_bps;
        self.last_video_bps = rate;
        let key = if switches { 4.0 } else { 1.0 };
        let mean = key * rate / 8.0 * FRAME.as_secs_f64();
        let mut bytes = (mean * (0.7 + 0.6 * self.random.part())) as usize;
        while bytes > 0 {
            let packet = bytes.min(MAX_PACKET_BYTES);
            self.queue.push_back(packet);
            self.queued_bytes += packet;
            bytes -= packet;
        }
    }

    fn send(
        &mut self,
        now: Instant,
        link: &mut Link<Packet>,
        own: Owner,
        bytes: usize,
        payload: Payload,
    ) {
        let seq = self.estimator.on_sent(now, bytes, payload);
        assert_eq!(seq, self.sent as u16);
        self.pacer.on_sent(now, bytes);
        link.send(now, bytes + BELOW_RTP_BYTES, (own, self.sent));
        self.sent += 1;
        self.sent_bytes += bytes;
    }

    fn step(&mut self, now: Instant, link: &mut Link<Packet>, own: usize) {
        self.estimator.set_desired_bps(now, self.desired_bps);
        if self.estimator.next_timeout().is_some_and(|at| at <= now) {
            self.estimator.handle_timeout(now);
        }
        if self.muted {
            (self.next_audio, self.next_frame) = (now + AUDIO, now + FRAME);
        }
        while self.next_audio <= now {
            self.next_audio += AUDIO;
            self.voice_sent += 1;
            self.send(now, link, Owner::Voice(own), AUDIO_BYTES, Payload::Media);
        }
        while self.next_frame <= now {
            self.next_frame += FRAME;
            self.make_frame();
        }
        while let Some(probe) = self.estimator.probe(now) {
            let mut left = probe.bytes;
            while left > 0 {
                let (bytes, payload) = match self.queue.pop_front() {
                    Some(bytes) => {
                        self.queued_bytes -= bytes;
                        (bytes, Payload::Media)
                    }
                    None => (probe.packet_bytes, Payload::Padding),
                };
                self.send(now, link, Owner::Flow(own), bytes, payload);
                left = left.saturating_sub(bytes);
            }
        }
        self.pacer.set_rate(self.estimator.pacing_bps(), self.queued_bytes);
        while self.pacer.may_send(now)
            && let Some(bytes) = self.queue.pop_front()
        {
            self.queued_bytes -= bytes;
            self.send(now, link, Owner::Flow(own), bytes, Payload::Media);
        }
    }
}

/// What crosses the bottleneck: whose and which.
type Packet = (Owner, u64);

#[derive(Clone, Copy, Debug)]
pub(super) enum Owner {
    Flow(usize),
    /// The same, but voice.
    Voice(usize),
    Transfer,
}

/// Flows that share a path.
pub(super) struct Rig {
    pub(super) now: Instant,
    pub(super) flows: Vec<Flow>,
    pub(super) down: Link<Packet>,
    pub(super) up: Link<(usize, Feedback)>,
    /// A file transfer beside the flows.
    pub(super) transfer: Option<Transfer>,
    pub(super) record: Record,
    random: Random,
}

impl Rig {
    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    pub(super) fn new(down: Path, up: Path, seed: u64) -> Self {
        let now = Instant::now();
        let mut rig = Self {
            now,
            flows: Vec::new(),
            down: Link::new(down, seed),
            up: Link::new(up, seed ^ 0x5555),
            transfer: None,
            record: Record::new(now),
            random: Random::new(seed ^ 0xaaaa),
        };
        rig.join();
        rig
    }

    /// A bottleneck downwards with 300 ms of queue.
    pub(super) fn over(rate_bps: u64, rtt_ms: u32, seed: u64) -> Self {
        let (down, up) = bottleneck(rate_bps, rtt_ms * MS, 300 * MS);
        Self::new(down, up, seed)
    }

    /// Another flow begins; its number.
    pub(super) fn join(&mut self) -> usize {
        let seed = self.random.next();
        self.flows.push(Flow::new(self.now, Config::default(), seed));
        self.flows.len() - 1
    }

    pub(super) fn run(&mut self, seconds: u64) {
        self.run_for(Duration::from_secs(seconds));
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
            self.now += MS;
        }
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some((_, (flow, report))) = self.up.receive(now) {
            self.flows[flow].estimator.on_feedback(now, report);
        }
        for (index, flow) in self.flows.iter_mut().enumerate() {
            flow.receiver.clock_speed = flow.clock_speed;
            flow.step(now, &mut self.down, index);
        }
        self.step_transfer(now);
        while let Some((at, (owner, seq))) = self.down.receive(now) {
            match owner {
                Owner::Flow(index) | Owner::Voice(index) => {
                    let flow = &mut self.flows[index];
                    flow.voice_received += u64::from(matches!(owner, Owner::Voice(_)));
                    flow.receiver.receive(flow.started, at, seq);
                }
                Owner::Transfer => {
                    if let Some(transfer) = &mut self.transfer {
                        transfer.deliver(now, seq);
                    }
                }
            }
        }
        for (index, flow) in self.flows.iter_mut().enumerate() {
            for report in flow.receiver.turn(flow.started, now) {
                let bytes = 60 + report.len() * 2;
                self.up.send(now, bytes, (index, report));
            }
        }
        if self.record.is_due(now) {
            for flow in &mut self.flows {
                flow.estimate_sum += flow.estimator.estimate_bps() as f64;
                flow.estimate_count += 1.0;
            }
            let estimate_bps = self.flows[0].estimator.estimate_bps() as f64;
            self.record.add(now, estimate_bps, &mut self.down);
        }
    }

    /// The far end of the first flow does only this for a time, then runs again.
    pub(super) fn stand_still(&mut self, does: FarEnd, time: Duration) {
        self.flows[0].receiver.does = does;
        self.run_for(time);
        self.flows[0].receiver.does = FarEnd::Runs;
    }

    pub(super) fn transfer_begins(&mut self, kind: Kind) {
        self.transfer = Some(Transfer::new(kind, self.up.path, self.random.next()));
    }

    fn step_transfer(&mut self, now: Instant) {
        let Some(transfer) = &mut self.transfer else { return };
        let (bytes, numbers) = transfer.step(now);
        for number in numbers {
            self.down.send(now, bytes, (Owner::Transfer, number));
        }
    }
}

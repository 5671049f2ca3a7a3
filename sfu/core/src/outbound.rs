//! What the relay sends to a participant: queued during a turn, numbered, sealed and
//! flushed in bursts at its end.
//!
//! Owns the subscriber's streams, the queue, the transport-wide numbers, the pace and
//! the repetitions. Refuses to know where packets come from: `forward` decides that.

mod burst;
mod entry;
mod header;
mod history;
mod judge;
mod queue;
mod repairs;
mod stream;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub(crate) use burst::Burst;
pub(crate) use entry::{Entry, Kind};
pub(crate) use header::{HeaderWriter, PASSED_ON};
pub(crate) use queue::QueueLimits;
pub(crate) use stream::{Negotiated, SendStream};

use crate::congestion::{Config as EstimatorConfig, Estimator, Pacer, Payload};
use crate::outbound::judge::Judge;
use crate::outbound::queue::Queue;
use crate::outbound::repairs::RepairBudget;
use crate::srtp::{SealError, Sealer};

/// Packets of a burst are padded to one size when they differ by no more: browsers
/// split a frame into packets that differ by a byte, and a system call costs more
/// than all these bytes.
const MAX_PADDING: usize = 16;
/// RTCP compounds that wait for a flush; a client that makes us say more is ignored.
const MAX_CONTROL: usize = 32;
/// A packet that was asked for is not repeated again within this time, or a round trip.
const MIN_REPEAT_PAUSE: Duration = Duration::from_millis(20);
/// A path that loses so many packets at any rate gets each repetition twice: it loses
/// repetitions as well, and each that is lost costs a round trip more of a picture that
/// stands still. That is for chance alone: where too much is sent, it would be more of it.
const LOSSY: f64 = 0.025;
/// The second copy goes so much later, since packets that follow each other are lost
/// together.
const SPARE_AFTER: Duration = Duration::from_millis(20);
/// Second copies that wait; more are not made.
const MAX_SPARES: usize = 256;
/// Assumed until a round trip was measured.
const FIRST_RTT: Duration = Duration::from_millis(100);
/// Pure padding fits one byte of count.
const MAX_PADDING_PACKET: usize = 224;

pub(crate) struct Outbound {
    sealer: Option<Sealer>,
    /// By slot.
    pub(crate) streams: Vec<SendStream>,
    queue: Queue,
    /// RTCP compounds to be sealed.
    control: VecDeque<Box<[u8]>>,
    /// How to estimate the link; `None`: not at all.
    congestion: Option<EstimatorConfig>,
    judge: Judge,
    pacer: Pacer,
    /// Used while the judge numbers nothing.
    next_transport: u16,
    rtt: Option<Duration>,
    repairs: RepairBudget,
    /// Second copies of repetitions, by when they go, and how much they may take.
    spares: VecDeque<(Instant, Entry)>,
    spare_budget: RepairBudget,
    sent_bytes: u64,
}

/// Packets that will leave together.
struct Run {
    kind: Kind,
    count: usize,
    /// What all but the last are padded to.
    length: usize,
}

/// What a flush did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// The burst is full of something to send; there may be more.
    Burst,
    /// Nothing may leave now.
    Nothing,
}

impl Outbound {
    pub(crate) fn new(now: Instant, limits: QueueLimits) -> Self {
        Self {
            sealer: None,
            streams: Vec::new(),
            queue: Queue::new(limits),
            control: VecDeque::new(),
            congestion: None,
            judge: Judge::Nobody,
            pacer: Pacer::new(now, u64::from(u32::MAX)),
            next_transport: 0,
            rtt: None,
            repairs: RepairBudget::new(),
            spares: VecDeque::new(),
            spare_budget: RepairBudget::new(),
            sent_bytes: 0,
        }
    }

    /// The keys are there. `congestion`: how to estimate the link, if at all.
    pub(crate) fn open(
        &mut self,
        now: Instant,
        sealer: Sealer,
        congestion: Option<EstimatorConfig>,
    ) {
        self.sealer = Some(sealer);
        self.congestion = congestion;
        self.appoint_judge(now);
    }

    /// There are other streams than before, or they are described in another way.
    pub(crate) fn appoint_judge(&mut self, now: Instant) {
        let Some(config) = self.congestion.filter(|_| !self.streams.is_empty()) else { return };
        let numbered = self.streams.iter().any(SendStream::numbers_transport);
        self.judge.appoint(now, numbered, config);
        if let Some(rate) = self.judge.pacing_bps() {
            self.pacer.set_rate(rate, self.queue.bytes());
        }
    }

    /// Queues a packet. Packets that had to go for it are given to `dropped`: their
    /// slots need a keyframe.
    pub(crate) fn push(&mut self, entry: Entry, mut dropped: impl FnMut(&Entry)) {
        self.queue.push(entry, |entry| dropped(&entry));
    }

    /// Packets that wait, and compounds.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.queue.len(), self.control.len())
    }

    /// Queues an RTCP compound.
    pub(crate) fn push_control(&mut self, compound: &[u8]) {
        if self.sealer.is_some() && self.control.len() < MAX_CONTROL {
            self.control.push_back(compound.into());
        }
    }

    /// Queues repetitions of packets that the subscriber missed. How many.
    pub(crate) fn repeat(
        &mut self,
        now: Instant,
        slot: usize,
        lost: impl Iterator<Item = u16>,
    ) -> usize {
        let pause = self.rtt().max(MIN_REPEAT_PAUSE);
        let twice = self.judge.feedback().is_some_and(|it| it.usual_loss() >= LOSSY);
        let Some(stream) = self.streams.get_mut(slot) else { return 0 };
        let mut count = 0;
        for seq in lost {
            let Some(entry) = stream.repeat(now, seq, pause) else { continue };
            if !self.repairs.take(entry.bytes()) {
                break;
            }
            let spare = twice && self.spares.len() < MAX_SPARES;
            if spare && self.spare_budget.take(entry.bytes()) {
                self.spares.push_back((now + SPARE_AFTER, entry.clone()));
                count += 1;
            }
            self.queue.push(entry, |_| {});
            count += 1;
        }
        count
    }

    /// Puts what may leave now into the burst, one run of datagrams at a time. Repeat
    /// until nothing is left.
    pub(crate) fn flush(&mut self, now: Instant, burst: &mut Burst) -> Flushed {
        burst.clear();
        if self.sealer.is_none() {
            return Flushed::Nothing;
        }
        if let Some(compound) = self.control.pop_front() {
            let sealed = self.sealer.as_mut().map(|sealer| burst.seal_rtcp(sealer, &compound));
            self.count(sealed);
            return if burst.is_empty() { Flushed::Nothing } else { Flushed::Burst };
        }
        while self.spares.front().is_some_and(|(due, _)| *due <= now) {
            let spare = self.spares.pop_front();
            spare.into_iter().for_each(|(_, entry)| self.queue.push(entry, |_| {}));
        }
        self.set_pace();
        while burst.is_empty() {
            match self.plan(now) {
                Some(run) => self.seal_run(now, &run, burst),
                None => break,
            }
        }
        if burst.is_empty() {
            self.seal_probe(now, burst);
        }
        if burst.is_empty() { Flushed::Nothing } else { Flushed::Burst }
    }

    /// When a flush has something to send again.
    pub(crate) fn next_flush(&self, now: Instant) -> Option<Instant> {
        let paced = (!self.queue.is_empty()).then(|| self.pacer.next(now));
        let probe = self.judge.feedback().and_then(Estimator::next_timeout);
        let spare = self.spares.front().map(|(due, _)| *due);
        [paced, probe, spare].into_iter().flatten().min()
    }

    /// Does what the estimator is due for.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Some(estimator) = self.judge.feedback_mut()
            && estimator.next_timeout().is_some_and(|due| due <= now)
        {
            estimator.handle_timeout(now);
        }
    }

    /// Transport-wide feedback came.
    pub(crate) fn on_feedback(
        &mut self,
        now: Instant,
        arrivals: impl Iterator<Item = (u16, Option<i64>)>,
    ) {
        self.judge.on_feedback(now, arrivals);
    }

    /// A receiver report on one slot's stream: packets that should have arrived since the
    /// last one, and those that did not.
    pub(crate) fn on_report(&mut self, now: Instant, slot: usize, expected: u64, lost: u64) {
        self.judge.on_report(now, slot, expected, lost);
    }

    /// The receiver's own estimate of its link.
    pub(crate) fn on_remb(&mut self, now: Instant, bps: u64) {
        self.judge.on_remb(now, bps);
    }

    /// A round trip was measured.
    pub(crate) fn on_rtt(&mut self, rtt: Duration) {
        // Reports are held back by their receiver, but say for how long; what is left
        // is noise of its timers.
        self.rtt = Some(self.rtt.map_or(rtt, |known| (known * 7 + rtt) / 8));
        if let Some(estimator) = self.judge.feedback_mut() {
            estimator.on_rtt(rtt);
        }
    }

    pub(crate) fn rtt(&self) -> Duration {
        self.rtt.unwrap_or(FIRST_RTT)
    }

    /// The round trip, if one was measured.
    pub(crate) const fn measured_rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// What the link carries, if it is estimated.
    pub(crate) fn estimate_bps(&self) -> Option<u64> {
        self.judge.estimate_bps()
    }

    /// What the subscriber would receive if the link allowed it.
    pub(crate) fn set_desired_bps(&mut self, now: Instant, desired_bps: u64) {
        if let Some(estimator) = self.judge.feedback_mut() {
            estimator.set_desired_bps(now, desired_bps);
        }
    }

    /// Datagram bytes of media and RTCP sent so far.
    pub(crate) const fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Whether the subscriber is known to report what arrives.
    pub(crate) fn is_reported(&self) -> bool {
        self.judge.feedback().is_some()
            || self.streams.iter().any(|stream| stream.highest().is_some())
    }

    /// Whether media can be sealed.
    pub(crate) const fn is_open(&self) -> bool {
        self.sealer.is_some()
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.spares.clear();
    }

    fn set_pace(&mut self) {
        if let Some(rate) = self.judge.pacing_bps() {
            self.pacer.set_rate(rate, self.queue.bytes());
        }
    }

    /// The next packets that can leave in one send.
    fn plan(&self, now: Instant) -> Option<Run> {
        let kind = self.queue.head()?;
        if kind != Kind::Audio && self.judge.paces() && !self.pacer.may_send(now) {
            return None;
        }
        let overhead = self.sealer.as_ref()?.rtp_overhead_bytes();
        let mut run = Run { kind, count: 0, length: 0 };
        let mut shortest = usize::MAX;
        for entry in self.queue.iter(kind).take(burst::MAX_DATAGRAMS) {
            let Some(stream) = self.streams.get(usize::from(entry.slot)) else { break };
            let length = stream.packet_bytes(entry) + overhead;
            let longest = run.length.max(length);
            if longest * (run.count + 1) > burst::MAX_BYTES && run.count > 0 {
                break;
            }
            if longest - shortest.min(length) > MAX_PADDING {
                // The last one may be shorter by any number of bytes.
                run.count += usize::from(length < run.length);
                break;
            }
            (run.length, shortest) = (longest, shortest.min(length));
            run.count += 1;
        }
        Some(Run { count: run.count.max(1), ..run })
    }

    fn seal_run(&mut self, now: Instant, run: &Run, burst: &mut Burst) {
        let rtt = self.rtt.or_else(|| self.judge.feedback().and_then(Estimator::round_trip));
        for left in (0..run.count).rev() {
            let Some(entry) = self.queue.pop(run.kind) else { return };
            let length = if left == 0 { 0 } else { run.length };
            let sealed = self.seal(now, &entry, length, burst);
            let Some(Ok(bytes)) = sealed else { continue };
            self.sent_bytes += bytes as u64;
            if run.kind != Kind::Repair {
                self.repairs.earn(bytes);
                self.spare_budget.earn(bytes);
            }
            if let Some(stream) = self.streams.get_mut(usize::from(entry.slot)) {
                stream.sent(now, entry, rtt);
            }
            if self.paced(now, run.kind, bytes) && left > 0 {
                return;
            }
        }
    }

    /// Counts a packet against the pace. Whether the rest of its run has to wait.
    fn paced(&mut self, now: Instant, kind: Kind, bytes: usize) -> bool {
        if !self.judge.paces() {
            return false;
        }
        self.pacer.on_sent(now, bytes);
        kind != Kind::Audio && !self.pacer.may_send(now)
    }

    fn seal(
        &mut self,
        now: Instant,
        entry: &Entry,
        length: usize,
        burst: &mut Burst,
    ) -> Option<Result<usize, SealError>> {
        let stream = self.streams.get_mut(usize::from(entry.slot))?;
        let sealer = self.sealer.as_mut()?;
        let overhead = sealer.rtp_overhead_bytes();
        let bytes = (stream.packet_bytes(entry) + overhead).max(length);
        let numbered = stream.numbers_transport();
        let transport = self.judge.on_sent(now, bytes, Payload::Media, numbered);
        let transport = transport.unwrap_or_else(|| next_number(&mut self.next_transport));
        let sealed = burst.seal(sealer, stream, entry, transport, length);
        if let Err(error) = &sealed {
            tracing::warn!(ssrc = stream.ssrc(), %error, "packet not sealed");
        }
        Some(sealed)
    }

    /// Sends what a probe of the link wants beside media: newest packets again, since
    /// those are at least of use when the first copy was lost; or padding.
    fn seal_probe(&mut self, now: Instant, burst: &mut Burst) {
        let Some(probe) = self.judge.feedback().and_then(|it| it.probe(now)) else { return };
        let mut left = probe.bytes;
        while left > 0 {
            // Large packets at a low rate would queue in front of the voice for longer
            // than all the rest of the probe.
            let fits_probe = |stream: &SendStream| {
                let newest = stream.repeat_newest();
                newest.is_some_and(|entry| stream.packet_bytes(&entry) <= 2 * probe.packet_bytes)
            };
            let slot = self.streams.iter().rposition(fits_probe);
            let sent = match slot {
                Some(slot) => self.seal_repetition(now, slot, burst),
                None => self.seal_padding(now, left.min(MAX_PADDING_PACKET) as u8, burst),
            };
            let Some(bytes) = sent else { return };
            self.sent_bytes += bytes as u64;
            left = left.saturating_sub(bytes);
            // Packets of one size leave together; the next burst takes another.
            if burst.bytes().len() + bytes > burst::MAX_BYTES {
                return;
            }
        }
    }

    fn seal_repetition(&mut self, now: Instant, slot: usize, burst: &mut Burst) -> Option<usize> {
        let stream = self.streams.get_mut(slot)?;
        let sealer = self.sealer.as_mut()?;
        let entry = stream.repeat_newest()?;
        let bytes = stream.packet_bytes(&entry) + sealer.rtp_overhead_bytes();
        let transport = self.judge.on_sent(now, bytes, Payload::Padding, true);
        let transport = transport.unwrap_or_else(|| next_number(&mut self.next_transport));
        burst.seal(sealer, stream, &entry, transport, 0).ok()
    }

    fn seal_padding(&mut self, now: Instant, padding: u8, burst: &mut Burst) -> Option<usize> {
        let stream = self.streams.iter_mut().rev().find(|stream| stream.can_pad())?;
        let sealer = self.sealer.as_mut()?;
        let bytes = usize::from(padding) + 32 + sealer.rtp_overhead_bytes();
        let transport = self.judge.on_sent(now, bytes, Payload::Padding, true);
        let transport = transport.unwrap_or_else(|| next_number(&mut self.next_transport));
        burst.seal_padding(sealer, stream, transport, padding)?.ok()
    }

    fn count(&mut self, sealed: Option<Result<usize, SealError>>) {
        match sealed {
            Some(Ok(bytes)) => self.sent_bytes += bytes as u64,
            Some(Err(error)) => tracing::warn!(%error, "RTCP not sealed"),
            None => {}
        }
    }
}

/// The transport-wide number of a packet that the judge gave none.
const fn next_number(next: &mut u16) -> u16 {
    let number = *next;
    *next = next.wrapping_add(1);
    number
}

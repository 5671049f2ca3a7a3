//! One received stream: its numbers, its losses, its clock.

use std::time::{Duration, Instant};

use crate::inbound::missing::Missing;
use crate::inbound::rate::Rate;
use crate::inbound::sequence::{Arrival, Sequence};
use crate::wire::rtcp::{ReportBlock, SenderInfo};

/// What a packet means to those who want the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// Extended sequence number.
    pub(crate) seq: u64,
    /// Not seen before. Others are of no use to anybody.
    pub(crate) fresh: bool,
    /// No later packet came before it.
    pub(crate) in_order: bool,
    /// The sender's numbers do not go on from where they were.
    pub(crate) jumped: bool,
    /// So much is missing that only a keyframe helps.
    pub(crate) hopeless: bool,
}

/// The publisher's word on which moment of its clock a timestamp is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Seconds since 1900 in 32.32 fixed point, by the publisher's clock.
    pub(crate) ntp: u64,
    pub(crate) rtp_timestamp: u32,
}

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) ssrc: u32,
    /// Ticks of a timestamp in a second.
    clock_rate: u32,
    sequence: Sequence,
    missing: Option<Missing>,
    rate: Rate,
    jitter: Jitter,
    moment: Option<Moment>,
    last_report: Option<LastReport>,
    /// Packets expected and received when losses were taken last.
    judged: (u64, u64),
}

/// The publisher's newest sender report, for the round trip it will compute.
#[derive(Clone, Copy, Debug)]
struct LastReport {
    /// Packets that it says were sent.
    packets: u32,
    middle: u32,
    at: Instant,
}

/// Interarrival jitter (RFC 3550 appendix A.8).
#[derive(Debug)]
struct Jitter {
    epoch: Instant,
    transit: Option<u32>,
    /// In sixteenths of a tick.
    scaled: u32,
}

impl Stream {
    /// A stream whose first packet has the number `first`. `nacks`: how many missing
    /// packets may be asked for at a time; `None` when the client repeats nothing.
    pub(crate) fn new(
        now: Instant,
        ssrc: u32,
        clock_rate: u32,
        first: u16,
        nacks: Option<usize>,
    ) -> Self {
        Self {
            ssrc,
            clock_rate,
            sequence: Sequence::new(first),
            missing: nacks.map(Missing::new),
            rate: Rate::new(now),
            jitter: Jitter { epoch: now, transit: None, scaled: 0 },
            moment: None,
            last_report: None,
            judged: (0, 0),
        }
    }

    /// Notes an original packet of `bytes` payload.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        seq: u16,
        timestamp: u32,
        bytes: usize,
    ) -> Received {
        let seq = self.sequence.extend(seq);
        let arrival = self.sequence.receive(seq);
        self.rate.note(now, bytes);
        let mut hopeless = false;
        match arrival {
            Arrival::Next { missing } => {
                self.jitter.note(now, timestamp, self.clock_rate);
                hopeless = self.miss(now, seq, missing);
            }
            Arrival::Late => self.settle(seq),
            Arrival::Jump => {
                self.missing.iter_mut().for_each(Missing::clear);
                self.jitter.transit = None;
            }
            Arrival::Duplicate => {}
        }
        Received {
            seq,
            fresh: arrival != Arrival::Duplicate,
            in_order: matches!(arrival, Arrival::Next { .. } | Arrival::Jump),
            jumped: arrival == Arrival::Jump,
            hopeless,
        }
    }

    /// Notes a packet that was repeated for us (RFC 4588).
    pub(crate) fn repair(&mut self, now: Instant, seq: u16, bytes: usize) -> Received {
        let seq = self.sequence.extend(seq);
        let arrival = self.sequence.repair(seq);
        self.rate.note(now, bytes);
        self.settle(seq);
        let fresh = arrival == Arrival::Late;
        Received { seq, fresh, in_order: false, jumped: false, hopeless: false }
    }

    pub(crate) fn sender_report(&mut self, now: Instant, info: &SenderInfo) {
        self.moment = Some(Moment { ntp: info.ntp, rtp_timestamp: info.rtp_timestamp });
        self.last_report =
            Some(LastReport { packets: info.packets, middle: (info.ntp >> 16) as u32, at: now });
    }

    pub(crate) fn report(&mut self, now: Instant) -> ReportBlock {
        let (last_sender_report, delay_since_last) = self.last_report.map_or((0, 0), |last| {
            let delay = now.saturating_duration_since(last.at);
            (last.middle, u32::try_from(delay.as_micros() * 65_536 / 1_000_000).unwrap_or(u32::MAX))
        });
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: self.sequence.take_fraction_lost(),
            cumulative_lost: self.sequence.cumulative_lost(),
            extended_highest: self.sequence.highest_reported(),
            jitter: self.jitter.ticks(),
            last_sender_report,
            delay_since_last,
        }
    }

    /// Packets received so far.
    pub(crate) fn received(&self) -> u64 {
        self.sequence.totals().1
    }

    /// Packets sent, as the newest sender report says; modulo 2^32.
    pub(crate) fn announced(&self) -> u32 {
        self.last_report.map_or(0, |report| report.packets)
    }

    /// When [`Self::take_missing`] has something to say.
    pub(crate) fn next_nack(&self) -> Option<Instant> {
        self.missing.as_ref().and_then(Missing::next)
    }

    /// Puts the numbers to ask for now into `asked`. See [`Missing::take_due`].
    pub(crate) fn take_missing(&mut self, now: Instant, rtt: Duration, asked: &mut Vec<u16>) {
        if let Some(missing) = &mut self.missing {
            missing.take_due(now, rtt, |seq| asked.push(seq as u16));
        }
    }

    /// Packets expected since the last call, and those of them that did not come.
    pub(crate) fn take_losses(&mut self) -> (u64, u64) {
        let (expected, received) = self.sequence.totals();
        let (expected_before, received_before) =
            std::mem::replace(&mut self.judged, (expected, received));
        let expected = expected.saturating_sub(expected_before);
        (expected, expected.saturating_sub(received.saturating_sub(received_before)))
    }

    pub(crate) fn bps(&mut self, now: Instant) -> u64 {
        self.rate.bps(now)
    }

    /// Milliseconds.
    pub(crate) fn jitter_ms(&self) -> f32 {
        self.jitter.ticks() as f32 * 1_000.0 / self.clock_rate.max(1) as f32
    }

    fn miss(&mut self, now: Instant, newest: u64, count: u64) -> bool {
        self.missing.as_mut().is_some_and(|missing| !missing.note(now, newest, count))
    }

    fn settle(&mut self, seq: u64) {
        if let Some(missing) = &mut self.missing {
            missing.settle(seq);
        }
    }
}

impl Jitter {
    fn note(&mut self, now: Instant, timestamp: u32, clock_rate: u32) {
        let elapsed = now.saturating_duration_since(self.epoch).as_micros();
        let ticks = elapsed * u128::from(clock_rate) / 1_000_000;
        let transit = ((ticks & u128::from(u32::MAX)) as u32).wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let difference = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            // A stream that was paused has a jump of its own making.
            if difference < clock_rate {
                self.scaled = self.scaled + difference - ((self.scaled + 8) >> 4);
            }
        }
    }

    const fn ticks(&self) -> u32 {
        self.scaled >> 4
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_report_says_what_was_lost_and_when_the_last_one_came() {
        let start = Instant::now();
        let mut stream = Stream::new(start, 7, 90_000, 1_000, Some(100));
        for number in 0..100_u16 {
            if number % 10 != 5 {
                let now = start + Duration::from_millis(u64::from(number) * 10);
                stream.receive(now, 1_000 + number, u32::from(number) * 900, 500);
            }
        }
        let info = SenderInfo { ssrc: 7, ntp: 0x1234_5678_9abc_def0, ..SenderInfo::default() };
        stream.sender_report(start + SECOND, &info);
        let report = stream.report(start + SECOND + SECOND / 2);
        assert_eq!((report.cumulative_lost, report.fraction_lost), (10, 25));
        assert_eq!(report.extended_highest, 1_099);
        assert_eq!(report.last_sender_report, 0x5678_9abc);
        assert_eq!(report.delay_since_last, 32_768);
        assert_eq!(report.jitter, 0, "it came like clockwork");
    }

    #[test]
    fn jitter_is_measured_in_ticks() {
        let start = Instant::now();
        let mut stream = Stream::new(start, 7, 48_000, 0, None);
        for number in 0..200_u16 {
            let late = u64::from(number % 2) * 5;
            let now = start + Duration::from_millis(u64::from(number) * 20 + late);
            stream.receive(now, number, u32::from(number) * 960, 80);
        }
        let jitter = stream.jitter_ms();
        assert!((4.0..6.0).contains(&jitter), "{jitter}");
    }

    #[test]
    fn missing_packets_are_asked_for_until_repaired() {
        let start = Instant::now();
        let mut stream = Stream::new(start, 7, 90_000, 10, Some(100));
        stream.receive(start, 10, 0, 500);
        stream.receive(start, 13, 0, 500);
        let due = stream.next_nack().expect("two are missing");
        let mut asked = Vec::new();
        stream.take_missing(due, SECOND / 10, &mut asked);
        assert_eq!(asked, [11, 12]);
        assert!(stream.repair(due, 11, 500).fresh);
        assert!(!stream.repair(due, 11, 500).fresh);
        assert!(stream.receive(due, 12, 0, 500).fresh);
        assert_eq!(stream.next_nack(), None);
        assert!(stream.receive(start, 500, 0, 500).hopeless);
    }
}

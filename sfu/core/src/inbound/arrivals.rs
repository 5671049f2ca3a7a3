//! When the packets of a client arrived, for its congestion control
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::wire::rtcp;
use crate::wire::twcc;

/// Time between two reports. The client's estimator works on groups of frames; half of
/// this doubles our share of the uplink and moves its estimate by little.
const INTERVAL: Duration = Duration::from_millis(100);
/// A fast sender is told earlier, so that a report stays one packet.
const MAX_PENDING: u64 = 200;
/// Packets that came out of order are still reported when this many newer ones have
/// been: the report then begins with them.
const KEPT: u64 = 64;
/// Where counting begins: high enough that no number of steps backward reaches zero.
const ORIGIN: u64 = 1 << 48;
/// A step this large is a sender that began anew.
const MAX_STEP: u64 = 1_000;

#[derive(Debug)]
pub(crate) struct Arrivals {
    epoch: Instant,
    /// The number of the first entry.
    first: u64,
    times_us: VecDeque<Option<u64>>,
    /// Everything before it has been reported.
    unreported: u64,
    number: u8,
    due: Option<Instant>,
}

impl Arrivals {
    pub(crate) const fn new(epoch: Instant) -> Self {
        Self { epoch, first: 0, times_us: VecDeque::new(), unreported: 0, number: 0, due: None }
    }

    /// Notes a packet by its number on the wire.
    pub(crate) fn note(&mut self, now: Instant, wire_seq: u16) {
        let elapsed = now.saturating_duration_since(self.epoch);
        let at_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let seq = self.extend(wire_seq);
        if self.times_us.is_empty() || seq.abs_diff(self.next()) > MAX_STEP {
            self.times_us.clear();
            (self.first, self.unreported) = (seq, seq);
        }
        if seq < self.first {
            return;
        }
        while self.next() <= seq {
            self.times_us.push_back(None);
        }
        let index = (seq - self.first) as usize;
        if let Some(time) = self.times_us.get_mut(index).filter(|time| time.is_none()) {
            *time = Some(at_us);
            self.unreported = self.unreported.min(seq);
        }
        let waits = self.next() - self.unreported < MAX_PENDING;
        let due = if waits { now + INTERVAL } else { now };
        self.due = Some(self.due.map_or(due, |known| known.min(due)));
    }

    /// When the next report is to be written; `None` without anything to report.
    pub(crate) const fn next_report(&self) -> Option<Instant> {
        self.due
    }

    /// Adds one report of what has not been reported; repeat while it returns `true`.
    pub(crate) fn report(
        &mut self,
        writer: &mut rtcp::Writer<'_>,
        sender: u32,
        media: u32,
    ) -> bool {
        let skip = (self.unreported.saturating_sub(self.first)) as usize;
        let times = self.times_us.make_contiguous();
        let pending = times.get(skip..).unwrap_or_default();
        let report = twcc::Report {
            base: self.unreported as u16,
            number: self.number,
            arrivals_us: pending,
        };
        let Some(covered) = writer.transport_wide(sender, media, &report) else {
            // Nothing but gaps is left, or the buffer is full and the next one comes.
            self.finish();
            return false;
        };
        self.number = self.number.wrapping_add(1);
        self.unreported += covered as u64;
        if self.unreported >= self.next() {
            self.finish();
            return false;
        }
        true
    }

    fn finish(&mut self) {
        self.due = None;
        self.unreported = self.next();
        while self.next() - self.first > KEPT {
            self.times_us.pop_front();
            self.first += 1;
        }
    }

    /// The number after the newest.
    fn next(&self) -> u64 {
        self.first + self.times_us.len() as u64
    }

    fn extend(&self, wire_seq: u16) -> u64 {
        if self.times_us.is_empty() {
            return u64::from(wire_seq) + ORIGIN;
        }
        let newest = self.next() - 1;
        let distance = wire_seq.wrapping_sub(newest as u16) as i16;
        newest.saturating_add_signed(i64::from(distance))
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::rtcp::{Packet, packets};

    /// Numbers and times of all that is reported now.
    fn read(arrivals: &mut Arrivals) -> Vec<(u16, Option<i64>)> {
        let mut seen = Vec::new();
        loop {
            let mut buffer = [0; 1_200];
            let mut writer = rtcp::Writer::new(&mut buffer);
            let more = arrivals.report(&mut writer, 1, 2);
            let written = writer.written();
            for packet in packets(&buffer[..written]) {
                let Packet::Transport(feedback) = packet else { panic!("{packet:?}") };
                seen.extend(feedback.arrivals().map(|one| (one.sequence, one.at_us)));
            }
            if !more {
                return seen;
            }
        }
    }

    #[test]
    fn what_came_is_reported_once_and_late_ones_are_made_up_for() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut arrivals = Arrivals::new(start);
        assert_eq!(arrivals.next_report(), None);
        arrivals.note(at(1), 65_535);
        arrivals.note(at(2), 0);
        arrivals.note(at(4), 3);
        assert_eq!(arrivals.next_report(), Some(at(101)));
        let expected =
            [(65_535, Some(1_000)), (0, Some(2_000)), (1, None), (2, None), (3, Some(4_000))];
        assert_eq!(read(&mut arrivals), expected);
        assert_eq!(arrivals.next_report(), None);
        assert_eq!(read(&mut arrivals), []);

        arrivals.note(at(150), 2);
        let late = [(2, Some(150_000)), (3, Some(4_000))];
        assert_eq!(read(&mut arrivals), late);
        assert_eq!(arrivals.next_report(), None);
    }

    #[test]
    fn many_packets_are_reported_at_once_and_a_jump_begins_anew() {
        let start = Instant::now();
        let mut arrivals = Arrivals::new(start);
        for number in 0..MAX_PENDING as u16 {
            arrivals.note(start, number);
        }
        assert_eq!(arrivals.next_report(), Some(start));
        arrivals.note(start, 30_000);
        assert_eq!(read(&mut arrivals), [(30_000, Some(0))]);
    }

    proptest! {
        /// Whatever comes in whatever order, memory is bounded and every report is of
        /// packets that came, with their first time.
        #[test]
        fn reports_are_true(steps in prop::collection::vec((any::<u16>(), 0..3_u16, any::<bool>()), 1..400)) {
            let start = Instant::now();
            let mut arrivals = Arrivals::new(start);
            let mut came = std::collections::HashMap::<u16, Vec<i64>>::new();
            let mut seq = 7_u16;
            for (index, (number, step, ask)) in steps.into_iter().enumerate() {
                seq = if index % 50 == 49 { number } else { seq.wrapping_add(step) };
                let now = start + Duration::from_millis(index as u64);
                arrivals.note(now, seq);
                came.entry(seq).or_default().push(index as i64 * 1_000);
                prop_assert!(arrivals.times_us.len() as u64 <= MAX_STEP + KEPT + 1);
                if ask {
                    for (sequence, at_us) in read(&mut arrivals) {
                        if let Some(at_us) = at_us {
                            let all = came.get(&sequence).cloned().unwrap_or_default();
                            prop_assert!(all.contains(&at_us), "{sequence}: {at_us} of {all:?}");
                        }
                    }
                    prop_assert_eq!(arrivals.next_report(), None);
                }
            }
        }
    }
}

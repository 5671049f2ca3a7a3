//! Sequence numbers of one received stream: which number a packet has, whether it is
//! new, and what is lost (RFC 3550 appendix A).

/// How far behind the newest packet one is still told from a duplicate. At 1,000
/// packets a second, a second: what is later is given up.
const WINDOW: u64 = 1_024;
const WORDS: usize = (WINDOW / 64) as usize;
/// Where counting begins: high enough that no number of steps backward reaches zero.
const ORIGIN: u64 = 1 << 48;
/// A step this large is a restart, not loss (RFC 3550 appendix A.1).
const MAX_STEP: u64 = 3_000;

/// What a packet is to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The newest so far; this many before it are missing.
    Next { missing: u64 },
    /// It fills a gap.
    Late,
    /// Received before, or too old to tell.
    Duplicate,
    /// The sender jumped: what came before says nothing about what is missing.
    Jump,
}

#[derive(Debug)]
pub(crate) struct Sequence {
    highest: u64,
    /// One bit for each of the last [`WINDOW`] numbers.
    seen: [u64; WORDS],
    /// The number at which counting of losses began, and what is counted.
    base: u64,
    received: u64,
    expected_before: u64,
    received_before: u64,
}

impl Sequence {
    /// A stream that begins with this number.
    pub(crate) fn new(first: u16) -> Self {
        let first = u64::from(first) + ORIGIN;
        let mut sequence = Self {
            highest: first,
            seen: [0; WORDS],
            base: first,
            received: 0,
            expected_before: 0,
            received_before: 0,
        };
        sequence.forget_all(first);
        sequence
    }

    /// The number whose lowest 16 bits these are and that is nearest to the newest.
    pub(crate) fn extend(&self, seq: u16) -> u64 {
        let distance = seq.wrapping_sub(self.highest as u16) as i16;
        self.highest.saturating_add_signed(i64::from(distance))
    }

    #[cfg(test)]
    pub(crate) const fn highest(&self) -> u64 {
        self.highest
    }

    /// Notes an original packet.
    pub(crate) fn receive(&mut self, seq: u64) -> Arrival {
        let arrival = self.note(seq);
        match arrival {
            // A second copy of what was repaired counts: it was not lost after all.
            Arrival::Next { .. } | Arrival::Late | Arrival::Duplicate => self.received += 1,
            Arrival::Jump => {
                self.base = seq;
                (self.received, self.expected_before, self.received_before) = (1, 0, 0);
            }
        }
        arrival
    }

    /// Notes a packet that came as a repetition (RFC 4588). It does not count as
    /// received: reports say what the network lost.
    pub(crate) fn repair(&mut self, seq: u64) -> Arrival {
        if seq > self.highest || self.highest - seq >= WINDOW {
            // Its original would open the gap, or begin anew; let that happen.
            return Arrival::Duplicate;
        }
        self.note(seq)
    }

    /// Whether this one has been received.
    pub(crate) fn has(&self, seq: u64) -> bool {
        seq <= self.highest && (self.highest - seq >= WINDOW || self.bit(seq))
    }

    /// Packets expected and received since the stream began.
    pub(crate) const fn totals(&self) -> (u64, u64) {
        (self.highest + 1 - self.base, self.received)
    }

    /// Packets lost since the stream began, within the 24 bits of a report block.
    pub(crate) fn cumulative_lost(&self) -> i32 {
        let (expected, received) = self.totals();
        let lost = i64::try_from(expected).unwrap_or(i64::MAX)
            - i64::try_from(received).unwrap_or(i64::MAX);
        i32::try_from(lost.clamp(-0x80_0000, 0x7f_ffff)).unwrap_or(0)
    }

    /// Share of packets lost since the last call, in 256ths (RFC 3550 appendix A.3).
    pub(crate) fn take_fraction_lost(&mut self) -> u8 {
        let (expected, received) = self.totals();
        let expected_now = expected - self.expected_before;
        let received_now = received - self.received_before;
        (self.expected_before, self.received_before) = (expected, received);
        let lost = expected_now.saturating_sub(received_now);
        let share = (lost * 256).checked_div(expected_now).unwrap_or(0);
        u8::try_from(share).unwrap_or(255)
    }

    /// The newest number as reports say it: cycles, then the 16 bits.
    pub(crate) const fn highest_reported(&self) -> u32 {
        self.highest.wrapping_sub(ORIGIN) as u32
    }

    fn note(&mut self, seq: u64) -> Arrival {
        if seq > self.highest {
            let step = seq - self.highest;
            if step > MAX_STEP {
                self.forget_all(seq);
                self.set(seq);
                return Arrival::Jump;
            }
            for skipped in self.highest + 1..seq {
                self.clear(skipped);
            }
            self.highest = seq;
            self.set(seq);
            return Arrival::Next { missing: step - 1 };
        }
        if self.highest - seq >= MAX_STEP {
            self.forget_all(seq);
            self.set(seq);
            return Arrival::Jump;
        }
        if self.highest == seq && self.received == 0 && !self.bit(seq) {
            self.set(seq);
            return Arrival::Next { missing: 0 };
        }
        if seq < self.base || self.has(seq) {
            return Arrival::Duplicate;
        }
        self.set(seq);
        Arrival::Late
    }

    /// Begins at `first`: nothing before it is missed.
    fn forget_all(&mut self, first: u64) {
        self.highest = first;
        self.seen = [u64::MAX; WORDS];
        self.clear(first);
    }

    fn bit(&self, seq: u64) -> bool {
        self.seen[word(seq)] & mask(seq) != 0
    }

    fn set(&mut self, seq: u64) {
        self.seen[word(seq)] |= mask(seq);
    }

    fn clear(&mut self, seq: u64) {
        self.seen[word(seq)] &= !mask(seq);
    }
}

const fn word(seq: u64) -> usize {
    ((seq % WINDOW) / 64) as usize
}

const fn mask(seq: u64) -> u64 {
    1 << (seq % 64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn take(sequence: &mut Sequence, seq: u16) -> Arrival {
        let extended = sequence.extend(seq);
        sequence.receive(extended)
    }

    #[test]
    fn gaps_late_ones_and_duplicates_are_told_apart() {
        let mut sequence = Sequence::new(65_534);
        assert_eq!(take(&mut sequence, 65_534), Arrival::Next { missing: 0 });
        assert_eq!(take(&mut sequence, 65_535), Arrival::Next { missing: 0 });
        assert_eq!(take(&mut sequence, 2), Arrival::Next { missing: 2 });
        assert_eq!(take(&mut sequence, 1), Arrival::Late);
        assert_eq!(take(&mut sequence, 1), Arrival::Duplicate);
        assert_eq!(take(&mut sequence, 65_533), Arrival::Duplicate, "from before the start");
        assert_eq!(sequence.highest_reported(), (1 << 16) + 2);
        assert!(!sequence.has(sequence.extend(0)));
        assert_eq!(take(&mut sequence, 20_000), Arrival::Jump);
        assert_eq!(take(&mut sequence, 20_001), Arrival::Next { missing: 0 });
        assert_eq!(sequence.totals(), (2, 2));
    }

    #[test]
    fn repairs_fill_gaps_and_are_still_reported_as_lost() {
        let mut sequence = Sequence::new(10);
        take(&mut sequence, 10);
        take(&mut sequence, 14);
        let repaired = sequence.extend(12);
        assert_eq!(sequence.repair(repaired), Arrival::Late);
        assert_eq!(sequence.repair(repaired), Arrival::Duplicate);
        assert_eq!(sequence.repair(repaired + 50), Arrival::Duplicate, "from the future");
        assert_eq!(sequence.totals(), (5, 2));
        assert_eq!(sequence.cumulative_lost(), 3);
        assert_eq!(sequence.take_fraction_lost(), 153);
        assert_eq!(sequence.take_fraction_lost(), 0);
    }

    proptest! {
        /// Against a model that remembers everything: within the window no packet is
        /// new twice, and none is refused the first time.
        #[test]
        fn each_number_is_new_once(first in any::<u16>(), steps in prop::collection::vec(-400_i64..600, 1..300)) {
            let mut sequence = Sequence::new(first);
            let mut model = HashSet::new();
            let mut highest = u64::from(first) + ORIGIN;
            let start = highest;
            let mut at = highest;
            take(&mut sequence, first);
            model.insert(highest);
            for step in steps {
                at = at.saturating_add_signed(step).max(start);
                if highest.saturating_sub(at) >= WINDOW || at.saturating_sub(highest) > 3_000 {
                    at = highest;
                }
                let arrival = take(&mut sequence, at as u16);
                let fresh = model.insert(at);
                let expected = match (fresh, at > highest) {
                    (false, _) => Arrival::Duplicate,
                    (true, true) => Arrival::Next { missing: at - highest - 1 },
                    (true, false) => Arrival::Late,
                };
                prop_assert_eq!(arrival, expected);
                highest = highest.max(at);
                prop_assert_eq!(sequence.highest(), highest);
            }
        }
    }
}

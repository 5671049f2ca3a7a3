//! What was sent, until its fate is known: a ring over the transport-wide sequence.
//!
//! Knows sizes and times only. Eight bytes a packet; the ring grows with the rate
//! and is bounded.

/// Packets held at first: a second of voice with some video.
const FIRST_CAPACITY: usize = 256;
/// Packets held at most: 1.6 s at 30 Mb/s of 1200-byte packets. 32 KiB.
const MAX_CAPACITY: usize = 4096;
/// A packet younger than this is worth growing for: longest round trip (600 ms)
/// with the queue of a bad link and the feedback interval.
const WANTED_AGE_US: u64 = 2_000_000;
/// After this silence older packets are forgotten. Times are kept modulo 71
/// minutes, so they must not outlive that.
const SILENCE_US: u64 = 60_000_000;

/// What feedback said of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    Unknown,
    Lost,
    Received,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// Microseconds, the lowest 32 bits.
    sent: u32,
    bytes: u16,
    cluster: u8,
    fate: Fate,
}

/// A packet that feedback named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) seq: u64,
    pub(super) sent_us: u64,
    pub(super) bytes: u32,
    /// The probe cluster it belongs to; 0 for none.
    pub(super) cluster: u8,
    /// Feedback had given it up before.
    pub(super) was_lost: bool,
}

#[derive(Debug)]
pub(super) struct History {
    entries: Vec<Entry>,
    next_seq: u64,
    /// Packets held, the newest ones.
    held: usize,
    last_sent_us: u64,
}

impl History {
    pub(super) fn new() -> Self {
        Self {
            entries: vec![Entry::default(); FIRST_CAPACITY],
            next_seq: 0,
            held: 0,
            last_sent_us: 0,
        }
    }

    /// The sequence number of the next packet.
    pub(super) const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    pub(super) fn push(&mut self, now_us: u64, bytes: usize, cluster: u8) -> u64 {
        if now_us.saturating_sub(self.last_sent_us) > SILENCE_US {
            self.held = 0;
        }
        if self.held == self.entries.len() && self.is_short(now_us) {
            self.grow();
        }
        let seq = self.next_seq;
        let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
        let entry = Entry { sent: now_us as u32, bytes, cluster, fate: Fate::Unknown };
        let index = self.index(seq);
        self.entries[index] = entry;
        self.held = (self.held + 1).min(self.entries.len());
        self.next_seq += 1;
        self.last_sent_us = now_us;
        seq
    }

    /// The packet with this number on the wire, if it is still held.
    pub(super) fn extend(&self, wire_seq: u16) -> Option<u64> {
        let age = (self.next_seq as u16).wrapping_sub(wire_seq);
        let held = usize::from(age) <= self.held && age > 0;
        held.then(|| self.next_seq - u64::from(age))
    }

    /// Notes that a packet arrived. `None` if that was known, or it is not held.
    pub(super) fn receive(&mut self, now_us: u64, wire_seq: u16) -> Option<Sent> {
        let (seq, entry) = self.entry(wire_seq)?;
        let earlier = std::mem::replace(&mut entry.fate, Fate::Received);
        let sent = entry.describe(seq, now_us, earlier);
        (earlier != Fate::Received).then_some(sent)
    }

    /// Notes that feedback missed a packet. `None` if its fate was known before.
    pub(super) fn lose(&mut self, now_us: u64, wire_seq: u16) -> Option<Sent> {
        let (seq, entry) = self.entry(wire_seq)?;
        if entry.fate != Fate::Unknown {
            return None;
        }
        entry.fate = Fate::Lost;
        Some(entry.describe(seq, now_us, Fate::Unknown))
    }

    fn entry(&mut self, wire_seq: u16) -> Option<(u64, &mut Entry)> {
        let seq = self.extend(wire_seq)?;
        let index = self.index(seq);
        self.entries.get_mut(index).map(|entry| (seq, entry))
    }

    /// The length is a power of two.
    const fn index(&self, seq: u64) -> usize {
        seq as usize & (self.entries.len() - 1)
    }

    /// Whether the packet that would be forgotten next may still be reported.
    fn is_short(&self, now_us: u64) -> bool {
        let oldest = self.entries[self.index(self.next_seq - self.held as u64)];
        let age = u64::from((now_us as u32).wrapping_sub(oldest.sent));
        age < WANTED_AGE_US && self.entries.len() < MAX_CAPACITY
    }

    fn grow(&mut self) {
        let mut entries = vec![Entry::default(); self.entries.len() * 2];
        let mask = entries.len() - 1;
        for seq in self.next_seq - self.held as u64..self.next_seq {
            entries[seq as usize & mask] = self.entries[self.index(seq)];
        }
        self.entries = entries;
    }
}

impl Entry {
    fn describe(self, seq: u64, now_us: u64, earlier: Fate) -> Sent {
        let age = u64::from((now_us as u32).wrapping_sub(self.sent));
        Sent {
            seq,
            sent_us: now_us.saturating_sub(age),
            bytes: u32::from(self.bytes),
            cluster: self.cluster,
            was_lost: earlier == Fate::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fates_are_told_once() {
        let mut history = History::new();
        for number in 0..3 {
            history.push(1_000 * number, 100 + number as usize, 0);
        }
        let sent = history.receive(9_000, 1).expect("it was sent");
        assert_eq!((sent.seq, sent.sent_us, sent.bytes, sent.was_lost), (1, 1_000, 101, false));
        assert_eq!(history.receive(9_000, 1), None);
        assert_eq!(history.lose(9_000, 1), None, "what arrived is not lost");
        assert!(history.lose(9_000, 2).is_some());
        assert_eq!(history.lose(9_000, 2), None);
        assert!(history.receive(9_000, 2).expect("late, not lost").was_lost);
        assert_eq!(history.receive(9_000, 3), None, "never sent");
        assert_eq!(history.receive(9_000, u16::MAX), None, "never sent");
    }

    #[test]
    fn it_grows_for_a_fast_link_and_no_further() {
        let mut history = History::new();
        for number in 0..20_000_u64 {
            history.push(number * 100, 1200, 0);
        }
        assert_eq!(history.entries.len(), MAX_CAPACITY);
        let wire = |seq: u64| seq as u16;
        assert!(history.receive(2_000_000, wire(20_000 - MAX_CAPACITY as u64)).is_some());
        assert!(history.receive(2_000_000, wire(20_000 - MAX_CAPACITY as u64 - 1)).is_none());

        let mut slow = History::new();
        for number in 0..2_000_u64 {
            slow.push(number * 20_000, 120, 0);
        }
        assert_eq!(slow.entries.len(), FIRST_CAPACITY);
    }

    #[test]
    fn a_long_silence_forgets() {
        let mut history = History::new();
        history.push(0, 100, 0);
        history.push(SILENCE_US + 1, 100, 0);
        assert!(history.receive(SILENCE_US + 2, 0).is_none());
        assert!(history.receive(SILENCE_US + 2, 1).is_some());
    }

    proptest! {
        /// Any feedback is answered with what was sent, or not at all.
        #[test]
        fn it_never_invents(
            gaps in prop::collection::vec(0..3_000_u64, 1..3_000),
            asked in prop::collection::vec(any::<u16>(), 1..300),
        ) {
            let mut history = History::new();
            let mut now_us = 0;
            let mut sent = Vec::new();
            for gap in gaps {
                now_us += gap;
                let seq = history.push(now_us, (now_us % 1200) as usize, 0);
                sent.push((seq, now_us));
            }
            for wire in asked {
                if let Some(found) = history.receive(now_us, wire) {
                    prop_assert_eq!(found.seq as u16, wire);
                    prop_assert!(sent.contains(&(found.seq, found.sent_us)));
                }
            }
        }
    }
}

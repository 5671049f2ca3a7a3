//! What waits to be sent to one subscriber: audio first, repetitions next, video last.
//!
//! Bounded in packets and bytes. When it is full the oldest video goes, since a
//! viewer whose link is that slow is better off with a new keyframe than with an old
//! picture, and audio goes only when there is nothing else.

use std::collections::VecDeque;

use crate::outbound::entry::{Entry, Kind};

/// Bounds on one subscriber's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueLimits {
    pub(crate) packets: usize,
    pub(crate) bytes: usize,
}

#[derive(Debug)]
pub(crate) struct Queue {
    audio: VecDeque<Entry>,
    repairs: VecDeque<Entry>,
    video: VecDeque<Entry>,
    bytes: usize,
    limits: QueueLimits,
}

impl Queue {
    pub(crate) const fn new(limits: QueueLimits) -> Self {
        Self {
            audio: VecDeque::new(),
            repairs: VecDeque::new(),
            video: VecDeque::new(),
            bytes: 0,
            limits,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.audio.is_empty() && self.repairs.is_empty() && self.video.is_empty()
    }

    /// Bytes that wait.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.audio.len() + self.repairs.len() + self.video.len()
    }

    /// Adds a packet. Packets that had to go for it are given to `dropped`.
    pub(crate) fn push(&mut self, entry: Entry, mut dropped: impl FnMut(Entry)) {
        self.bytes += entry.bytes();
        self.of(entry.kind).push_back(entry);
        while self.len() > self.limits.packets || self.bytes > self.limits.bytes {
            let oldest = [Kind::Video, Kind::Repair, Kind::Audio]
                .into_iter()
                .find_map(|kind| self.of(kind).pop_front());
            let Some(oldest) = oldest else { return };
            self.bytes -= oldest.bytes();
            dropped(oldest);
        }
    }

    /// The kind that is sent next.
    pub(crate) fn head(&self) -> Option<Kind> {
        if !self.audio.is_empty() {
            return Some(Kind::Audio);
        }
        if !self.repairs.is_empty() {
            return Some(Kind::Repair);
        }
        (!self.video.is_empty()).then_some(Kind::Video)
    }

    /// Those of a kind, in order.
    pub(crate) fn iter(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        match kind {
            Kind::Audio => self.audio.iter(),
            Kind::Repair => self.repairs.iter(),
            Kind::Video => self.video.iter(),
        }
    }

    /// Takes the first of a kind.
    pub(crate) fn pop(&mut self, kind: Kind) -> Option<Entry> {
        let entry = self.of(kind).pop_front()?;
        self.bytes -= entry.bytes();
        Some(entry)
    }

    pub(crate) fn clear(&mut self) {
        self.audio.clear();
        self.repairs.clear();
        self.video.clear();
        self.bytes = 0;
    }

    const fn of(&mut self, kind: Kind) -> &mut VecDeque<Entry> {
        match kind {
            Kind::Audio => &mut self.audio,
            Kind::Repair => &mut self.repairs,
            Kind::Video => &mut self.video,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::Patch;
    use crate::packet::Packet;

    fn entry(kind: Kind, seq: u64, bytes: usize) -> Entry {
        let packet = Packet::new(&vec![0; bytes], 0).expect("small");
        Entry {
            packet,
            patch: Patch::default(),
            seq,
            timestamp: 0,
            payload_type: 96,
            slot: 0,
            marker: false,
            kind,
        }
    }

    #[test]
    fn audio_overtakes_and_old_video_goes_first() {
        let mut queue = Queue::new(QueueLimits { packets: 4, bytes: 1_000_000 });
        let mut dropped = Vec::new();
        for seq in 0..4 {
            queue.push(entry(Kind::Video, seq, 100), |_| panic!("there is room"));
        }
        queue.push(entry(Kind::Audio, 10, 20), |entry| dropped.push(entry.seq));
        queue.push(entry(Kind::Repair, 20, 100), |entry| dropped.push(entry.seq));
        assert_eq!(dropped, [0, 1]);
        let mut order = Vec::new();
        while let Some(kind) = queue.head() {
            order.extend(queue.pop(kind).map(|entry| entry.seq));
        }
        assert_eq!(order, [10, 20, 2, 3]);
        assert_eq!(queue.bytes(), 0);
    }

    proptest! {
        /// The bounds hold, and nothing is lost without being named.
        #[test]
        fn nothing_vanishes(pushes in prop::collection::vec((0..3_u8, 1..400_usize), 1..200)) {
            let limits = QueueLimits { packets: 30, bytes: 4_000 };
            let mut queue = Queue::new(limits);
            let mut dropped = 0;
            let count = pushes.len();
            for (seq, (kind, bytes)) in pushes.into_iter().enumerate() {
                let kind = [Kind::Audio, Kind::Repair, Kind::Video][usize::from(kind)];
                queue.push(entry(kind, seq as u64, bytes), |_| dropped += 1);
                prop_assert!(queue.len() <= limits.packets && queue.bytes() <= limits.bytes);
            }
            let mut left = 0;
            while let Some(kind) = queue.head() {
                left += usize::from(queue.pop(kind).is_some());
            }
            prop_assert_eq!(left + dropped, count);
            prop_assert_eq!(queue.bytes(), 0);
        }
    }
}

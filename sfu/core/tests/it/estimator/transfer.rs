//! A file transfer that shares a bottleneck.

use std::time::Instant;

use crate::link::{Link, Path};

/// Reno (RFC 5681) as far as a queue sees it: one acknowledgement a packet, half the
/// window once per round trip with loss, no time-outs.
#[derive(Debug)]
pub(super) struct Transfer {
    window: f64,
    next: u64,
    /// Lowest number neither acknowledged nor given up.
    lowest: u64,
    /// Losses of packets before this one belong to the same round trip.
    recover: u64,
    slow_start: bool,
    acknowledgements: Link<u64>,
    pub(super) delivered_bytes: u64,
}

impl Transfer {
    const PACKET_BYTES: usize = 1_500;

    pub(super) fn new(up: Path, seed: u64) -> Self {
        Self {
            window: 10.0,
            next: 0,
            lowest: 0,
            recover: 0,
            slow_start: true,
            acknowledgements: Link::new(up, seed),
            delivered_bytes: 0,
        }
    }

    /// A packet of it came through.
    pub(super) fn deliver(&mut self, now: Instant, seq: u64) {
        self.delivered_bytes += Self::PACKET_BYTES as u64;
        self.acknowledgements.send(now, 60, seq);
    }

    /// Packets to send now, their size and numbers.
    pub(super) fn step(&mut self, now: Instant) -> (usize, std::ops::Range<u64>) {
        while let Some((_, seq)) = self.acknowledgements.receive(now) {
            self.acknowledged(seq);
        }
        let first = self.next;
        self.next = self.next.max(self.lowest + self.window as u64);
        (Self::PACKET_BYTES, first..self.next)
    }

    fn acknowledged(&mut self, seq: u64) {
        if seq < self.lowest {
            return;
        }
        if seq > self.lowest && self.lowest >= self.recover {
            self.window = (self.window / 2.0).max(2.0);
            self.slow_start = false;
            self.recover = self.next;
        } else {
            self.window += if self.slow_start { 1.0 } else { 1.0 / self.window };
        }
        self.lowest = seq + 1;
    }
}

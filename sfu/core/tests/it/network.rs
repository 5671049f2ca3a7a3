//! A link with delay and loss, repeatable from a seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Delay and loss of both directions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions {
    pub(crate) delay: Duration,
    /// Each packet is late by up to this much more, so packets overtake each other.
    pub(crate) jitter: Duration,
    /// Lost packets of a thousand.
    pub(crate) loss_permille: u64,
}

impl Conditions {
    pub(crate) const GOOD: Self =
        Self { delay: Duration::from_millis(5), jitter: Duration::ZERO, loss_permille: 0 };
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Datagram {
    pub(crate) at: Instant,
    order: u64,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) contents: Vec<u8>,
}

pub(crate) struct Network {
    pub(crate) conditions: Conditions,
    queue: BinaryHeap<Reverse<Datagram>>,
    sent: u64,
    random: u64,
}

impl Network {
    pub(crate) fn new(conditions: Conditions, seed: u64) -> Self {
        Self { conditions, queue: BinaryHeap::new(), sent: 0, random: seed | 1 }
    }

    pub(crate) fn send(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        contents: Vec<u8>,
    ) {
        let (lot, lateness) = (self.random(), self.random());
        if lot % 1000 < self.conditions.loss_permille {
            return;
        }
        let jitter = self.conditions.jitter.as_micros() as u64;
        let late = Duration::from_micros(lateness % (jitter + 1));
        self.sent += 1;
        let at = now + self.conditions.delay + late;
        let order = self.sent;
        self.queue.push(Reverse(Datagram { at, order, source, destination, contents }));
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse(datagram)| datagram.at)
    }

    pub(crate) fn receive(&mut self, now: Instant) -> Option<Datagram> {
        if self.next()? > now {
            return None;
        }
        self.queue.pop().map(|Reverse(datagram)| datagram)
    }

    /// Xorshift64 (Marsaglia 2003).
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

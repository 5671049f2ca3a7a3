//! A link with delay and loss, repeatable from a seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::link::{Link, Path};

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

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Ways of their own, by where they begin or end.
    links: BTreeMap<(End, SocketAddr), Link<Datagram>>,
    sent: u64,
    random: u64,
}

/// Which end of a way its address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    From,
    To,
}

/// IP and UDP headers, which count where a link is narrow.
const HEADER_BYTES: usize = 28;

impl Network {
    pub(crate) fn new(conditions: Conditions, seed: u64) -> Self {
        let (queue, links) = (BinaryHeap::new(), BTreeMap::new());
        Self { conditions, queue, links, sent: 0, random: seed | 1 }
    }

    pub(crate) fn send(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        contents: Vec<u8>,
    ) {
        let ends = [(End::From, source), (End::To, destination)];
        if let Some(end) = ends.into_iter().find(|end| self.links.contains_key(end)) {
            let order = self.sent;
            self.sent += 1;
            let datagram = Datagram { at: now, order, source, destination, contents };
            let bytes = datagram.contents.len() + HEADER_BYTES;
            if let Some(link) = self.links.get_mut(&end) {
                link.send(now, bytes, datagram);
            }
            return;
        }
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

    /// Gives what comes from or goes to an address a way of its own, or changes it.
    pub(crate) fn set_link(&mut self, end: End, address: SocketAddr, path: Path) {
        let seed = self.random();
        let link = self.links.entry((end, address)).or_insert_with(|| Link::new(path, seed));
        link.path = path;
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse(datagram)| datagram.at)
    }

    pub(crate) fn receive(&mut self, now: Instant) -> Option<Datagram> {
        if let Some((_, datagram)) = self.links.values_mut().find_map(|link| link.receive(now)) {
            return Some(datagram);
        }
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

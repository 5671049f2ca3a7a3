//! A file transfer that shares a bottleneck.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::link::{Link, Path};

#[path = "transfer/bbr.rs"]
mod bbr;
#[path = "transfer/cubic.rs"]
mod cubic;
#[path = "transfer/reno.rs"]
mod reno;

use bbr::Bbr;
use cubic::Cubic;
use reno::Reno;

const PACKET_BYTES: usize = 1_500;
const FIRST_WINDOW: f64 = 10.0;
/// Nothing heard for so long: all that is on its way is lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// How it answers what it hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Reno,
    Cubic,
    Bbr,
}

#[derive(Debug)]
enum Control {
    Reno(Reno),
    Cubic(Cubic),
    Bbr(Bbr),
}

/// What was known when a packet left.
#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Instant,
    /// Packets delivered by then, and when the last of them was heard of.
    delivered: u64,
    delivered_at: Instant,
    /// When that last one had been sent.
    delivered_sent_at: Instant,
}

/// What an acknowledgement tells.
#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    now: Instant,
    rtt: Duration,
    /// Packets before this one are lost for the first time in a round trip.
    loses: bool,
    /// Packets on their way.
    in_flight: f64,
    /// Packets delivered so far, and when this one left.
    delivered: u64,
    delivered_before: u64,
    /// Packets a second, over the longer one of the times in which as many were sent and
    /// acknowledged.
    rate: f64,
}

/// The sender as far as a queue sees it: one acknowledgement a packet, no disorder, new
/// packets in place of the lost ones.
#[derive(Debug)]
pub(super) struct Transfer {
    control: Control,
    next: u64,
    /// Lowest number neither acknowledged nor given up.
    lowest: u64,
    /// Losses of packets before this one belong to the same round trip.
    recover: u64,
    /// Those from the lowest on.
    sent: VecDeque<Sent>,
    delivered: u64,
    delivered_at: Option<Instant>,
    delivered_sent_at: Option<Instant>,
    next_send: Option<Instant>,
    acknowledgements: Link<u64>,
    pub(super) delivered_bytes: u64,
}

impl Transfer {
    pub(super) fn new(kind: Kind, up: Path, seed: u64) -> Self {
        let control = match kind {
            Kind::Reno => Control::Reno(Reno::new()),
            Kind::Cubic => Control::Cubic(Cubic::new()),
            Kind::Bbr => Control::Bbr(Bbr::new(seed)),
        };
        Self {
            control,
            next: 0,
            lowest: 0,
            recover: 0,
            sent: VecDeque::new(),
            delivered: 0,
            delivered_at: None,
            delivered_sent_at: None,
            next_send: None,
            acknowledgements: Link::new(up, seed),
            delivered_bytes: 0,
        }
    }

    /// A packet of it came through.
    pub(super) fn deliver(&mut self, now: Instant, seq: u64) {
        self.delivered_bytes += PACKET_BYTES as u64;
        self.acknowledgements.send(now, 60, seq);
    }

    /// Packets to send now, their size and numbers.
    pub(super) fn step(&mut self, now: Instant) -> (usize, std::ops::Range<u64>) {
        while let Some((_, seq)) = self.acknowledgements.receive(now) {
            self.acknowledged(now, seq);
        }
        self.give_up(now);
        let first = self.next;
        while self.next < self.lowest + self.window() && self.may_send(now) {
            self.send(now);
        }
        (PACKET_BYTES, first..self.next)
    }

    fn window(&self) -> u64 {
        match &self.control {
            Control::Reno(reno) => reno.window() as u64,
            Control::Cubic(cubic) => cubic.window() as u64,
            Control::Bbr(bbr) => bbr.window() as u64,
        }
    }

    /// Whether the pace allows a packet; only BBR's has one.
    fn may_send(&mut self, now: Instant) -> bool {
        let Control::Bbr(bbr) = &self.control else { return true };
        let Some(gap) = bbr.gap() else { return true };
        let due = self.next_send.unwrap_or(now);
        if due > now {
            return false;
        }
        // A turn is a millisecond, so what was due within the last one is not lost.
        self.next_send = Some(due.max(now - Duration::from_millis(1)) + gap);
        true
    }

    fn send(&mut self, now: Instant) {
        self.sent.push_back(Sent {
            at: now,
            delivered: self.delivered,
            delivered_at: self.delivered_at.unwrap_or(now),
            delivered_sent_at: self.delivered_sent_at.unwrap_or(now),
        });
        self.next += 1;
    }

    fn acknowledged(&mut self, now: Instant, seq: u64) {
        if seq < self.lowest {
            return;
        }
        let loses = seq > self.lowest && self.lowest >= self.recover;
        if loses {
            self.recover = self.next;
        }
        let sent = self.sent[(seq - self.lowest) as usize];
        self.sent.drain(..=(seq - self.lowest) as usize);
        self.lowest = seq + 1;
        self.delivered += 1;
        self.delivered_at = Some(now);
        self.delivered_sent_at = Some(sent.at);
        let interval = (now - sent.delivered_at).max(sent.at - sent.delivered_sent_at);
        let heard = Acknowledged {
            now,
            rtt: now - sent.at,
            loses,
            in_flight: (self.next - self.lowest) as f64,
            delivered: self.delivered,
            delivered_before: sent.delivered,
            rate: (self.delivered - sent.delivered) as f64 / interval.as_secs_f64().max(1e-3),
        };
        match &mut self.control {
            Control::Reno(reno) => reno.acknowledged(heard),
            Control::Cubic(cubic) => cubic.acknowledged(heard),
            Control::Bbr(bbr) => bbr.acknowledged(heard),
        }
    }

    fn give_up(&mut self, now: Instant) {
        let Some(oldest) = self.sent.front() else { return };
        let heard_at = self.delivered_at.unwrap_or(oldest.at).max(oldest.at);
        if now - heard_at < PATIENCE {
            return;
        }
        self.sent.clear();
        (self.lowest, self.recover) = (self.next, self.next);
        match &mut self.control {
            Control::Reno(reno) => reno.timed_out(),
            Control::Cubic(cubic) => cubic.timed_out(),
            // Its model stands, and says what to send.
            Control::Bbr(_) => {}
        }
    }
}

//! One client's TCP connection: packets in, packets out, and whether it may stay.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use housecall_sfu_core::Flow;

use super::framing::{self, Deframer};

/// What a stranger may send before the core knows it. Its first message, a STUN
/// request, has to prove who it is; a few repetitions may come before the answer.
const UNPROVEN_BYTES: usize = 4096;

/// Of its queue, what a connection that keeps up holds between turns.
const KEPT_BYTES: usize = 4096;

/// Bounds of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Time until a session must own the connection.
    pub(crate) unproven: Duration,
    /// Time for which a reader may take nothing.
    pub(crate) stall: Duration,
    /// Bytes that may wait for the reader, beside those in the kernel.
    pub(crate) queue_bytes: usize,
}

/// Whether a session of the core owns the connection.
#[derive(Clone, Copy, Debug)]
enum Standing {
    Unproven { until: Instant, left: usize },
    Proven,
}

/// Why a connection is closed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Closed {
    #[error("the client closed it")]
    ByClient,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("not in the framing of RFC 4571: {0}")]
    Framing(#[from] framing::Oversized),
    #[error("no session owns it")]
    Unproven,
    #[error("its reader takes nothing")]
    Stalled,
}

impl Closed {
    /// The word for it in the metrics, when it was our decision.
    pub(super) const fn cause(&self) -> Option<&'static str> {
        match self {
            Self::ByClient | Self::Io(_) => None,
            Self::Framing(_) => Some("framing"),
            Self::Unproven => Some("unproven"),
            Self::Stalled => Some("stalled"),
        }
    }
}

pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) flow: Flow,
    deframer: Deframer,
    standing: Standing,
    /// Framed packets, of which the first `sent` bytes have left.
    queue: Vec<u8>,
    sent: usize,
    /// Since when the reader has taken nothing, while something waits.
    stalled: Option<Instant>,
    /// Waits in the list of connections to flush.
    pub(super) touched: bool,
    /// The system is asked to tell when more can be sent.
    pub(super) watches_writable: bool,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, flow: Flow, now: Instant, limits: Limits) -> Self {
        Self {
            stream,
            flow,
            deframer: Deframer::default(),
            standing: unproven(now, limits),
            queue: Vec::new(),
            sent: 0,
            stalled: None,
            touched: false,
            watches_writable: false,
        }
    }

    pub(super) const fn is_proven(&self) -> bool {
        matches!(self.standing, Standing::Proven)
    }

    /// A session owns the connection.
    pub(super) const fn prove(&mut self) {
        self.standing = Standing::Proven;
    }

    /// One read, so that no connection keeps a turn to itself.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        take: impl FnMut(&[u8]),
    ) -> Result<(), Closed> {
        let length = match self.stream.read(buffer) {
            Ok(0) => return Err(Closed::ByClient),
            Ok(length) => length,
            Err(error) if is_transient(&error) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if let Standing::Unproven { left, .. } = &mut self.standing {
            *left = left.checked_sub(length).ok_or(Closed::Unproven)?;
        }
        Ok(self.deframer.push(&buffer[..length], take)?)
    }

    /// Puts a packet behind those that wait. `false`: it was dropped, as a full
    /// network would, because the reader is behind.
    pub(super) fn push(&mut self, packet: &[u8], limits: Limits) -> bool {
        let waiting = self.queue.len() - self.sent;
        if waiting + framing::framed_bytes(packet) > limits.queue_bytes {
            return false;
        }
        framing::frame(packet, &mut self.queue);
        true
    }

    /// Sends what waits, as far as the system takes it.
    pub(super) fn flush(&mut self, now: Instant) -> Result<(), Closed> {
        while self.sent < self.queue.len() {
            match self.stream.write(&self.queue[self.sent..]) {
                Ok(0) => return Err(Closed::ByClient),
                Ok(length) => {
                    self.sent += length;
                    self.stalled = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stalled.get_or_insert(now);
                    self.forget_sent();
                    return Ok(());
                }
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.queue.clear();
        self.queue.shrink_to(KEPT_BYTES);
        self.sent = 0;
        Ok(())
    }

    fn forget_sent(&mut self) {
        self.queue.drain(..self.sent);
        self.sent = 0;
    }

    pub(super) const fn is_waiting(&self) -> bool {
        self.sent < self.queue.len()
    }

    /// Whether it may stay; `known`: a session owns it now.
    pub(super) fn review(
        &mut self,
        now: Instant,
        known: bool,
        limits: Limits,
    ) -> Result<(), Closed> {
        self.standing = match self.standing {
            _ if known => Standing::Proven,
            Standing::Proven => unproven(now, limits),
            Standing::Unproven { until, .. } if until <= now => return Err(Closed::Unproven),
            standing @ Standing::Unproven { .. } => standing,
        };
        let stalls = |since: Instant| now.saturating_duration_since(since) >= limits.stall;
        if self.stalled.is_some_and(stalls) { Err(Closed::Stalled) } else { Ok(()) }
    }
}

fn unproven(now: Instant, limits: Limits) -> Standing {
    Standing::Unproven { until: now + limits.unproven, left: UNPROVEN_BYTES }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

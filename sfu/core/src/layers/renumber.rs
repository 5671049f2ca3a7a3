//! Making one continuous RTP stream for a subscriber out of whatever its slot carries.
//!
//! A slot keeps one SSRC for its life. What is behind it changes: another participant,
//! another layer, a publisher that restarted, a pause; and packets of layers that the
//! subscriber does not get are left out. This module rewrites sequence number and
//! timestamp, picture ids of VP8 and VP9 and frame numbers of dependency descriptors so
//! that the receiver sees no seam. It knows numbers only, no participants and no
//! sockets.

mod pictures;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use crate::codec::{Frame, Patch};
use crate::layers::gaps::Gaps;
use crate::layers::renumber::pictures::Pictures;

/// One packet of what a slot carries.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub ssrc: u32,
    /// Extended sequence number.
    pub seq: u64,
    pub timestamp: u32,
    /// Ticks of `timestamp` in a second.
    pub clock_rate: u32,
    /// `None` for audio.
    pub frame: Option<&'a Frame>,
}

/// The numbers to send a packet with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub seq: u64,
    pub timestamp: u32,
    /// What has to change in the payload.
    pub patch: Patch,
    /// What has to be added to the frame number of a dependency descriptor.
    pub frame_offset: u16,
}

/// The numbers of one slot.
#[derive(Debug)]
pub struct Renumber {
    /// The first sequence number. Below 2^15, so that the rollover counter of the
    /// stream is 0 for whoever hears it first (RFC 3711 section 3.3.1): the
    /// counter is not sent, and a receiver that assumes 0 could not decrypt.
    first_seq: u64,
    following: Option<Mapping>,
    newest: Option<Newest>,
    pictures: Pictures,
}

/// How numbers of the current source become ours.
#[derive(Debug)]
struct Mapping {
    ssrc: u32,
    /// The source's packet at which we began, and the number it got. Earlier packets
    /// that arrive late are not sent: their numbers are taken.
    seq_in: u64,
    seq_out: u64,
    timestamp_offset: u32,
    /// Packets that were left out, counted from the first.
    gaps: Gaps,
}

/// The newest packet sent in this slot.
#[derive(Clone, Copy, Debug)]
struct Newest {
    seq: u64,
    timestamp: u32,
    at: Instant,
}

impl Renumber {
    /// `random` chooses the first sequence number.
    pub const fn new(random: u64) -> Self {
        Self {
            first_seq: random & 0x7fff,
            following: None,
            newest: None,
            pictures: Pictures::new(),
        }
    }

    /// The next packet begins anew: a pause ended, or the slot carries another source.
    pub const fn restart(&mut self) {
        self.following = None;
    }

    /// Whether packets of a source can be passed on.
    pub fn follows(&self, ssrc: u32) -> bool {
        self.following.as_ref().is_some_and(|mapping| mapping.ssrc == ssrc)
    }

    /// The numbers of the packet with which a source begins.
    pub fn begin(&mut self, now: Instant, packet: Source<'_>) -> Option<Outgoing> {
        let (seq_out, timestamp) = match self.newest {
            None => (self.first_seq, packet.timestamp),
            Some(newest) => (newest.seq + 1, newest.timestamp_at(now, packet.clock_rate)),
        };
        self.following = Some(Mapping {
            ssrc: packet.ssrc,
            seq_in: packet.seq,
            seq_out,
            timestamp_offset: timestamp.wrapping_sub(packet.timestamp),
            gaps: Gaps::new(),
        });
        if let Some(frame) = packet.frame {
            self.pictures.begin(frame);
        }
        self.pass(now, packet)
    }

    /// The numbers of a further packet of the source; `None` when it must not be sent.
    pub fn pass(&mut self, now: Instant, packet: Source<'_>) -> Option<Outgoing> {
        let mapping = self.following.as_mut().filter(|mapping| mapping.ssrc == packet.ssrc)?;
        let seq = mapping.seq_out + mapping.gaps.pass(packet.seq.checked_sub(mapping.seq_in)?)?;
        let timestamp = packet.timestamp.wrapping_add(mapping.timestamp_offset);
        let in_order = self.newest.is_none_or(|newest| seq > newest.seq);
        let (patch, frame_offset) = match packet.frame {
            Some(frame) => self.pictures.pass(frame, in_order)?,
            None => (Patch::default(), 0),
        };
        if in_order {
            self.newest = Some(Newest { seq, timestamp, at: now });
        }
        Some(Outgoing { seq, timestamp, patch, frame_offset })
    }

    /// Leaves a packet of the source out, so that its receiver does not miss it.
    pub fn skip(&mut self, packet: Source<'_>) {
        let following = self.following.as_mut().filter(|mapping| mapping.ssrc == packet.ssrc);
        let Some(mapping) = following else { return };
        if let Some(number) = packet.seq.checked_sub(mapping.seq_in) {
            mapping.gaps.skip(number);
        }
        if let Some(frame) = packet.frame {
            self.pictures.skip(frame);
        }
    }
}

impl Newest {
    /// The timestamp of what is sent next. Time went on while nothing was sent: at least
    /// one tick, since two frames with one timestamp would be taken for one.
    fn timestamp_at(&self, now: Instant, clock_rate: u32) -> u32 {
        let elapsed = ticks(now.saturating_duration_since(self.at), clock_rate).max(1);
        self.timestamp.wrapping_add(elapsed)
    }
}

fn ticks(elapsed: Duration, clock_rate: u32) -> u32 {
    let ticks = elapsed.as_micros() * u128::from(clock_rate) / 1_000_000;
    // Timestamps are modulo 2^32 (RFC 3550 section 5.1).
    (ticks & u128::from(u32::MAX)) as u32
}

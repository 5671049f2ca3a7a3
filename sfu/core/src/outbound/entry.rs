//! One packet on its way to one subscriber: shared bytes, and the numbers that are
//! this subscriber's own.

use crate::codec::Patch;
use crate::packet::Packet;

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) packet: Packet,
    /// What of the payload is this subscriber's own.
    pub(crate) patch: Patch,
    /// Extended sequence number.
    pub(crate) seq: u64,
    pub(crate) timestamp: u32,
    pub(crate) payload_type: u8,
    /// Index of the subscriber's slot.
    pub(crate) slot: u8,
    pub(crate) marker: bool,
    pub(crate) kind: Kind,
}

/// What an entry is of. In order of urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Audio,
    /// A packet sent before, in a stream of its own (RFC 4588).
    Repair,
    Video,
}

impl Entry {
    /// Bytes it keeps in memory; the payload may be shared with others.
    pub(crate) fn bytes(&self) -> usize {
        self.packet.len()
    }
}

//! Sealed datagrams that leave together: all of one size, the last may be smaller, as
//! generic segmentation offload wants them.

use crate::outbound::entry::{Entry, Kind};
use crate::outbound::stream::SendStream;
use crate::srtp::{SealError, Sealer};

/// What one UDP send may hold, less the headers of IPv6.
pub(crate) const MAX_BYTES: usize = 65_000;
/// Datagrams the kernel segments from one send (`UDP_MAX_SEGMENTS`).
pub(crate) const MAX_DATAGRAMS: usize = 64;

/// The buffer, used again for every burst of a worker.
#[derive(Debug)]
pub(crate) struct Burst {
    bytes: Vec<u8>,
    /// Size of every datagram but the last.
    segment: usize,
    datagrams: usize,
}

impl Burst {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::with_capacity(MAX_BYTES), segment: 0, datagrams: 0 }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        (self.segment, self.datagrams) = (0, 0);
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.datagrams == 0
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) const fn segment(&self) -> usize {
        self.segment
    }

    /// Adds a datagram that is sealed already, or needs no seal.
    pub(crate) fn push(&mut self, datagram: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(datagram);
        self.added(start);
    }

    /// Adds a media packet, sealed, and padded to `length` when that is longer. Its
    /// length. On failure nothing is added.
    pub(crate) fn seal(
        &mut self,
        sealer: &mut Sealer,
        stream: &mut SendStream,
        entry: &Entry,
        transport: u16,
        length: usize,
    ) -> Result<usize, SealError> {
        let start = self.bytes.len();
        let overhead = sealer.rtp_overhead_bytes();
        let padding = length.saturating_sub(stream.packet_bytes(entry) + overhead);
        let (header_bytes, index) = stream.write(entry, transport, padding > 0, &mut self.bytes);
        if entry.kind == Kind::Repair {
            // RFC 4588 section 4: the original number comes first.
            self.bytes.extend_from_slice(&(entry.seq as u16).to_be_bytes());
        }
        let payload_at = self.bytes.len();
        self.bytes.extend_from_slice(entry.packet.payload());
        entry.patch.apply(&mut self.bytes[payload_at..]);
        self.pad(padding);
        self.finish(sealer, start, header_bytes, index)
    }

    /// Adds a packet that is nothing but padding, at most 255 bytes of it.
    pub(crate) fn seal_padding(
        &mut self,
        sealer: &mut Sealer,
        stream: &mut SendStream,
        transport: u16,
        padding: u8,
    ) -> Option<Result<usize, SealError>> {
        let start = self.bytes.len();
        let (header_bytes, index) = stream.write_padding_header(transport, &mut self.bytes)?;
        self.pad(usize::from(padding.max(1)));
        Some(self.finish(sealer, start, header_bytes, index))
    }

    /// Adds an RTCP compound, sealed.
    pub(crate) fn seal_rtcp(
        &mut self,
        sealer: &mut Sealer,
        compound: &[u8],
    ) -> Result<usize, SealError> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(compound);
        self.bytes.resize(start + compound.len() + sealer.rtcp_overhead_bytes(), 0);
        let sealed = sealer.seal_rtcp(&mut self.bytes[start..], compound.len());
        self.sealed(start, sealed)
    }

    fn pad(&mut self, padding: usize) {
        if let Some(zeros) = padding.checked_sub(1) {
            self.bytes.resize(self.bytes.len() + zeros, 0);
            // RFC 3550 section 5.1: the last byte counts them all.
            self.bytes.push(u8::try_from(padding).unwrap_or(u8::MAX));
        }
    }

    fn finish(
        &mut self,
        sealer: &mut Sealer,
        start: usize,
        header_bytes: usize,
        index: u64,
    ) -> Result<usize, SealError> {
        let packet_bytes = self.bytes.len() - start;
        self.bytes.resize(start + packet_bytes + sealer.rtp_overhead_bytes(), 0);
        let packet = &mut self.bytes[start..];
        let sealed = sealer.seal_rtp(packet, header_bytes, packet_bytes, index);
        self.sealed(start, sealed)
    }

    fn sealed(
        &mut self,
        start: usize,
        sealed: Result<usize, SealError>,
    ) -> Result<usize, SealError> {
        // What failed to be sealed must never leave.
        self.bytes.truncate(start + *sealed.as_ref().unwrap_or(&0));
        if sealed.is_ok() {
            self.added(start);
        }
        sealed
    }

    fn added(&mut self, start: usize) {
        if self.datagrams == 0 {
            self.segment = self.bytes.len() - start;
        }
        self.datagrams += 1;
    }
}

//! Writes the RTP headers of one slot, with the extension ids of its m-line.
//!
//! One fixed header, then one extension block (RFC 8285): the transport-wide number,
//! the MID until the subscriber has shown that it knows the SSRC, and what of the
//! publisher's extensions describes the media.

use crate::packet::Packet;
use crate::wire::extensions::{Extension, ExtensionMap};
use crate::wire::rtp::FIXED_HEADER_BYTES;

const BLOCK_HEADER_BYTES: usize = 4;
const ONE_BYTE_PROFILE: [u8; 2] = [0xbe, 0xde];
const TWO_BYTE_PROFILE: [u8; 2] = [0x10, 0x00];
/// Largest id and value of the one-byte form.
const ONE_BYTE_MAX_ID: u8 = 14;
const ONE_BYTE_MAX_VALUE: usize = 16;
/// A value that every element has room for.
const MAX_VALUE: usize = 255;

/// The fields of one packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) marker: bool,
    pub(crate) padded: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
}

/// Which extensions a slot's packets get.
#[derive(Clone, Debug)]
pub(crate) struct HeaderWriter {
    transport: Option<u8>,
    mid: Option<(u8, Box<[u8]>)>,
    /// Ids of those passed on.
    carried: [(Extension, u8); PASSED_ON.len()],
    /// The subscriber takes both forms in one stream.
    mixed: bool,
    /// An id is too large for the one-byte form.
    large_ids: bool,
}

/// What of a publisher's extensions goes on to subscribers.
pub(crate) const PASSED_ON: [Extension; 5] = [
    Extension::AudioLevel,
    Extension::VideoOrientation,
    Extension::DependencyDescriptor,
    Extension::PlayoutDelay,
    Extension::AbsCaptureTime,
];

/// Not negotiated.
const NO_ID: u8 = 0;

impl HeaderWriter {
    /// `mixed`: see [`ExtensionMap::new`].
    pub(crate) fn new(map: &ExtensionMap, mid: &str, mixed: bool) -> Self {
        let carried = PASSED_ON.map(|kind| (kind, map.id(kind).unwrap_or(NO_ID)));
        let transport = map.id(Extension::TransportSequence);
        let mid = map.id(Extension::Mid).map(|id| (id, mid.as_bytes().into()));
        let ids = carried.iter().map(|(_, id)| *id).chain(transport);
        let large_ids = ids.chain(mid.as_ref().map(|(id, _)| *id)).any(|id| id > ONE_BYTE_MAX_ID);
        Self { transport, mid, carried, mixed, large_ids }
    }

    /// Whether packets get a transport-wide number.
    pub(crate) const fn numbers_transport(&self) -> bool {
        self.transport.is_some()
    }

    /// Length of what [`Self::write`] will write.
    pub(crate) fn length(&self, packet: &Packet, with_mid: bool) -> usize {
        let head = if self.two_byte(packet) { 2 } else { 1 };
        let mut length = self.transport.map_or(0, |_| head + 2);
        if let Some((_, mid)) = self.mid.as_ref().filter(|_| with_mid) {
            length += head + mid.len();
        }
        for (_, value) in self.elements(packet) {
            if head == 2 || value.len() <= ONE_BYTE_MAX_VALUE {
                length += head + value.len();
            }
        }
        let block = if length == 0 { 0 } else { BLOCK_HEADER_BYTES + length.next_multiple_of(4) };
        FIXED_HEADER_BYTES + block
    }

    /// Appends the header of a packet. `transport`: its transport-wide number.
    pub(crate) fn write(
        &self,
        head: &Head,
        transport: u16,
        packet: &Packet,
        with_mid: bool,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        write_fixed(head, out);
        let two_byte = self.two_byte(packet);
        let mut block = Block { out, two_byte, start: start + FIXED_HEADER_BYTES };
        if let Some(id) = self.transport {
            block.put(id, &transport.to_be_bytes());
        }
        if let Some((id, mid)) = self.mid.as_ref().filter(|_| with_mid) {
            block.put(*id, mid);
        }
        for (id, value) in self.elements(packet) {
            block.put(id, value);
        }
        if block.finish() {
            // The X bit.
            out[start] |= 0x10;
        }
    }

    /// What of a packet's extensions this subscriber negotiated.
    fn elements<'a>(&'a self, packet: &'a Packet) -> impl Iterator<Item = (u8, &'a [u8])> {
        packet.carried().filter_map(|(kind, value)| {
            let (_, id) = self.carried.iter().find(|(known, _)| *known == kind)?;
            (*id != NO_ID && (1..=MAX_VALUE).contains(&value.len())).then_some((*id, value))
        })
    }

    fn two_byte(&self, packet: &Packet) -> bool {
        self.large_ids
            || (self.mixed
                && self.elements(packet).any(|(_, value)| value.len() > ONE_BYTE_MAX_VALUE))
    }
}

fn write_fixed(head: &Head, out: &mut Vec<u8>) {
    let mut fixed = [0; FIXED_HEADER_BYTES];
    fixed[0] = 0x80 | u8::from(head.padded) << 5;
    fixed[1] = u8::from(head.marker) << 7 | head.payload_type & 0x7f;
    fixed[2..4].copy_from_slice(&head.sequence.to_be_bytes());
    fixed[4..8].copy_from_slice(&head.timestamp.to_be_bytes());
    fixed[8..12].copy_from_slice(&head.ssrc.to_be_bytes());
    out.extend_from_slice(&fixed);
}

/// An extension block that is being written; its header comes with the first element.
struct Block<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    two_byte: bool,
}

impl Block<'_> {
    /// Adds an element; one that does not fit the form is left out.
    fn put(&mut self, id: u8, value: &[u8]) {
        if !self.two_byte && value.len() > ONE_BYTE_MAX_VALUE {
            return;
        }
        if self.out.len() == self.start {
            self.out.extend_from_slice(&[0; BLOCK_HEADER_BYTES]);
        }
        let length = value.len() as u8;
        if self.two_byte {
            self.out.extend_from_slice(&[id, length]);
        } else {
            self.out.push(id << 4 | (length - 1) & 0x0f);
        }
        self.out.extend_from_slice(value);
    }

    /// Whether there is a block.
    fn finish(self) -> bool {
        let written = self.out.len() - self.start;
        if written == 0 {
            return false;
        }
        let aligned = written.next_multiple_of(4);
        self.out.resize(self.start + aligned, 0);
        let words = (aligned - BLOCK_HEADER_BYTES) / 4;
        let profile = if self.two_byte { TWO_BYTE_PROFILE } else { ONE_BYTE_PROFILE };
        self.out[self.start..self.start + 2].copy_from_slice(&profile);
        self.out[self.start + 2..self.start + 4].copy_from_slice(&(words as u16).to_be_bytes());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rtp::ParsedRtp;

    const HEAD: Head = Head {
        marker: true,
        padded: false,
        payload_type: 111,
        sequence: 0x1234,
        timestamp: 0x5678_9abc,
        ssrc: 0xdead_beef,
    };

    fn map(extensions: &[(Extension, u8)]) -> ExtensionMap {
        let mut map = ExtensionMap::new(true);
        extensions.iter().for_each(|(extension, id)| map.set(*extension, *id));
        map
    }

    /// A packet whose descriptor has `length` bytes and whose level is 0x85.
    fn packet(length: usize) -> Packet {
        let mut bytes = vec![7; 12 + length];
        bytes.push(0x85);
        let mut packet = Packet::new(&bytes, bytes.len()).expect("small");
        packet.carry(Extension::DependencyDescriptor, 12..12 + length);
        packet.carry(Extension::AudioLevel, 12 + length..13 + length);
        packet
    }

    fn write(writer: &HeaderWriter, packet: &Packet, with_mid: bool) -> Vec<u8> {
        let mut out = vec![0xff; 5];
        writer.write(&HEAD, 0xbeef, packet, with_mid, &mut out);
        assert_eq!(out.len() - 5, writer.length(packet, with_mid));
        out.split_off(5)
    }

    #[test]
    fn a_header_reads_back_as_written() {
        let map = map(&[
            (Extension::TransportSequence, 3),
            (Extension::Mid, 4),
            (Extension::AudioLevel, 1),
            (Extension::DependencyDescriptor, 12),
        ]);
        let writer = HeaderWriter::new(&map, "cam", true);
        for length in [3, 16, 40] {
            let packet = packet(length);
            let out = write(&writer, &packet, true);
            let parsed = ParsedRtp::parse(&out).expect("valid");
            assert_eq!(parsed.header_bytes, out.len());
            assert_eq!((parsed.header.ssrc, parsed.header.timestamp), (HEAD.ssrc, HEAD.timestamp));
            assert!(parsed.header.marker && !parsed.header.padded);
            let values = map.read(parsed.elements(&out));
            assert_eq!(values.mid, Some(&b"cam"[..]));
            assert_eq!(values.transport_sequence, Some(0xbeef));
            assert_eq!(values.dependency_descriptor.map(<[u8]>::len), Some(length));
            assert!(values.audio_level.is_some_and(|level| level.voice));
            let out = write(&writer, &packet, false);
            let parsed = ParsedRtp::parse(&out).expect("valid");
            assert_eq!(map.read(parsed.elements(&out)).mid, None);
        }
    }

    #[test]
    fn what_was_not_negotiated_is_left_out() {
        let nothing = HeaderWriter::new(&map(&[]), "0", true);
        assert_eq!(write(&nothing, &packet(5), true).len(), FIXED_HEADER_BYTES);
        assert!(!nothing.numbers_transport());
        // A long value has no place where only the one-byte form may occur.
        let short = HeaderWriter::new(&map(&[(Extension::DependencyDescriptor, 9)]), "0", false);
        assert_eq!(write(&short, &packet(17), true).len(), FIXED_HEADER_BYTES);
        let large = HeaderWriter::new(&map(&[(Extension::TransportSequence, 20)]), "0", false);
        assert_eq!(write(&large, &packet(5), false)[12..14], TWO_BYTE_PROFILE);
    }
}

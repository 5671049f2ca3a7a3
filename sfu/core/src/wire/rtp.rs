//! The RTP header (RFC 3550 section 5.1): parsed from a datagram, written into a buffer.

#[cfg(test)]
mod writing;

use super::bytes::Reader;
use super::extensions::{Elements, Form};

/// The header without contributing sources and extensions.
pub(crate) const FIXED_HEADER_BYTES: usize = 12;

const VERSION: u8 = 2;

/// The fields every RTP packet has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RtpHeader {
    pub(crate) marker: bool,
    /// The payload ends with padding, whose last byte counts it.
    pub(crate) padded: bool,
    /// 7 bits.
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
}

/// A header with the places of what follows it. Holds no borrow, so that the packet
/// can be decrypted in place between the parse and the use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParsedRtp {
    pub(crate) header: RtpHeader,
    /// Length with contributing sources and extensions; the payload starts here.
    pub(crate) header_bytes: usize,
    /// Where the extension elements are, and in which form.
    extensions: Option<(Form, usize)>,
}

impl ParsedRtp {
    /// Reads the header of a packet, encrypted or not.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(packet);
        let [first, second] = reader.array()?;
        if first >> 6 != VERSION {
            return None;
        }
        let header = RtpHeader {
            marker: second & 0x80 != 0,
            padded: first & 0x20 != 0,
            payload_type: second & 0x7f,
            sequence: reader.u16()?,
            timestamp: reader.u32()?,
            ssrc: reader.u32()?,
        };
        reader.slice(usize::from(first & 0x0f) * 4)?;
        let mut extensions = None;
        if first & 0x10 != 0 {
            let profile = reader.u16()?;
            let words = reader.u16()?;
            let start = packet.len() - reader.rest().len();
            reader.slice(usize::from(words) * 4)?;
            extensions = Form::of_profile(profile).map(|form| (form, start));
        }
        Some(Self { header, header_bytes: packet.len() - reader.rest().len(), extensions })
    }

    /// The header extension's elements. `packet` is the one that was parsed.
    pub(crate) fn elements<'a>(&self, packet: &'a [u8]) -> Elements<'a> {
        let (form, start) = self.extensions.unwrap_or((Form::OneByte, self.header_bytes));
        Elements::new(form, packet.get(start..self.header_bytes).unwrap_or_default())
    }

    /// The payload of a decrypted packet, without its padding; empty when the packet
    /// is all padding, as a probe is. `None` when the padding is longer than that.
    pub(crate) fn payload<'a>(&self, packet: &'a [u8]) -> Option<&'a [u8]> {
        let payload = packet.get(self.header_bytes..)?;
        if !self.header.padded {
            return Some(payload);
        }
        let padding = usize::from(*payload.last()?);
        if padding == 0 {
            return None;
        }
        payload.get(..payload.len().checked_sub(padding)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::extensions::{Extension, ExtensionMap, Extensions};

    #[test]
    fn reads_every_field() {
        let packet = [
            0xb2,
            0x80 | 96,
            0x12,
            0x34,
            0,
            0,
            0,
            1,
            0,
            0,
            0,
            2, // fixed part
            0,
            0,
            0,
            3,
            0,
            0,
            0,
            4, // two contributing sources
            0xbe,
            0xde,
            0,
            1,
            0x10,
            b'0',
            0,
            0, // one extension
            7,
            8,
            9,
            0,
            2, // payload, padding
        ];
        let parsed = ParsedRtp::parse(&packet).expect("a valid header");
        let header = RtpHeader {
            marker: true,
            padded: true,
            payload_type: 96,
            sequence: 0x1234,
            timestamp: 1,
            ssrc: 2,
        };
        assert_eq!(parsed.header, header);
        assert_eq!(parsed.header_bytes, 28);
        assert_eq!(parsed.elements(&packet).collect::<Vec<_>>(), [(1, &b"0"[..])]);
        assert_eq!(parsed.payload(&packet), Some(&[7, 8, 9][..]));
    }

    #[test]
    fn bad_headers_are_refused() {
        let mut packet = [0; 12];
        assert_eq!(ParsedRtp::parse(&packet), None, "version 0");
        packet[0] = 0x80;
        assert!(ParsedRtp::parse(&packet).is_some());
        assert_eq!(ParsedRtp::parse(&packet[..11]), None, "too short");
        packet[0] = 0x81;
        assert_eq!(ParsedRtp::parse(&packet), None, "a source is missing");
        packet[0] = 0x90;
        assert_eq!(ParsedRtp::parse(&packet), None, "the extension is missing");
    }

    #[test]
    fn padding_longer_than_the_payload_is_refused() {
        let padded = |end: &[u8]| {
            let mut packet = vec![0xa0, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            packet.extend_from_slice(end);
            let parsed = ParsedRtp::parse(&packet).expect("a valid header");
            parsed.payload(&packet).map(<[u8]>::len)
        };
        assert_eq!(padded(&[]), None);
        assert_eq!(padded(&[0]), None);
        assert_eq!(padded(&[2]), None);
        assert_eq!(padded(&[0, 0, 3]), Some(0), "a probe");
        assert_eq!(padded(&[9, 0, 2]), Some(1));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            marker in any::<bool>(), payload_type in 0..128_u8, sequence in any::<u16>(),
            timestamp in any::<u32>(), ssrc in any::<u32>(),
            transport_sequence in any::<Option<u16>>(), room in 0..40_usize,
        ) {
            let header =
                RtpHeader { marker, padded: false, payload_type, sequence, timestamp, ssrc };
            let mut map = ExtensionMap::new(false);
            map.set(Extension::TransportSequence, 3);
            let values = Extensions { transport_sequence, ..Extensions::default() };
            let needed = if transport_sequence.is_some() { 20 } else { 12 };
            let mut buffer = vec![0; room];
            let written = header.write(&map, &values, &mut buffer);
            prop_assert_eq!(written, (room >= needed).then_some(needed));
            if let Some(written) = written {
                let parsed = ParsedRtp::parse(&buffer[..written]).expect("what we wrote");
                prop_assert_eq!(parsed.header, header);
                prop_assert_eq!(parsed.header_bytes, written);
                prop_assert_eq!(map.read(parsed.elements(&buffer)), values);
            }
        }

        #[test]
        fn any_bytes_are_parsed_or_refused(
            mut packet in prop::collection::vec(any::<u8>(), 0..80), version in any::<bool>(),
        ) {
            if let Some(first) = packet.first_mut().filter(|_| version) {
                *first = *first & 0x3f | 0x80;
            }
            if let Some(parsed) = ParsedRtp::parse(&packet) {
                prop_assert!(parsed.header_bytes <= packet.len());
                prop_assert!(parsed.elements(&packet).count() <= packet.len());
                let payload = parsed.payload(&packet).unwrap_or_default();
                prop_assert!(payload.len() <= packet.len() - parsed.header_bytes);
            }
        }
    }
}

//! The RTP header (RFC 3550 section 5.1): parsed from a datagram, written into a buffer.

use super::bytes::{Pen, Reader};
use super::extensions::{Elements, ExtensionMap, Extensions, Form};

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

impl RtpHeader {
    /// Writes the header with those of `values` that `map` has an id for. The length
    /// written, or `None` when `buffer` is too short.
    pub(crate) fn write(
        &self,
        map: &ExtensionMap,
        values: &Extensions<'_>,
        buffer: &mut [u8],
    ) -> Option<usize> {
        let (fixed, rest) = buffer.split_first_chunk_mut::<FIXED_HEADER_BYTES>()?;
        let extension_bytes = map.write(values, rest)?;
        let first = VERSION << 6 | u8::from(self.padded) << 5 | u8::from(extension_bytes != 0) << 4;
        let mut pen = Pen::new(fixed);
        pen.put(&[first, u8::from(self.marker) << 7 | self.payload_type & 0x7f])?;
        pen.u16(self.sequence)?;
        pen.u32(self.timestamp)?;
        pen.u32(self.ssrc)?;
        Some(FIXED_HEADER_BYTES + extension_bytes)
    }
}

/// Fills `buffer` with padding: zeros, and the count in the last byte (RFC 3550
/// section 5.1). `None` when it is empty or longer than one byte can count.
pub(crate) fn write_padding(buffer: &mut [u8]) -> Option<()> {
    let count = u8::try_from(buffer.len()).ok()?;
    buffer.fill(0);
    *buffer.last_mut()? = count;
    Some(())
}

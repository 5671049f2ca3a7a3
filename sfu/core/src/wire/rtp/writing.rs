//! Headers as clients send them; the relay's own are written by `outbound::header`.

use super::{FIXED_HEADER_BYTES, RtpHeader, VERSION};
use crate::wire::bytes::Pen;
use crate::wire::extensions::{ExtensionMap, Extensions};

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

//! Bits of a byte string, most significant first, as codec specifications write them.

/// Reads bits. Past the end everything is `None`.
#[derive(Clone, Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The number of bits read so far.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    pub(super) fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// An unsigned number of `count` bits, at most 32.
    pub(super) fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0_u32;
        for _ in 0..count.min(32) {
            value = value << 1 | u32::from(self.bit()?);
        }
        Some(value)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.bits(8).map(|value| value as u8)
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count);
    }

    /// `ns(n)` of the AV1 specification section 4.10.7: one of `n` values in as few
    /// bits as possible. `n` of 0 has no value.
    pub(super) fn non_symmetric(&mut self, n: u32) -> Option<u32> {
        let width = u32::BITS - n.leading_zeros();
        let short = 1_u32.checked_shl(width)?.checked_sub(n)?;
        let value = self.bits(width.checked_sub(1)?)?;
        if value < short {
            return Some(value);
        }
        Some((value << 1 | u32::from(self.bit()?)) - short)
    }

    /// `ue(v)` of H.264 section 9.1 (exponential Golomb), below 2^31.
    pub(super) fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 30 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.bits(zeros)?)
    }

    /// `se(v)` of H.264 section 9.1.1.
    pub(super) fn signed_golomb(&mut self) -> Option<i32> {
        let code = i32::try_from(self.golomb()?).ok()?;
        let magnitude = code / 2 + code % 2;
        Some(if code % 2 == 1 { magnitude } else { -magnitude })
    }
}

/// Writes bits into a buffer. What does not fit makes it fail at the end.
#[derive(Debug)]
pub(super) struct BitWriter<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl<'a> BitWriter<'a> {
    pub(super) const fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn bit(&mut self, bit: bool) {
        let place = self.at % 8;
        if let Some(byte) = self.bytes.get_mut(self.at / 8) {
            if place == 0 {
                *byte = 0;
            }
            *byte |= u8::from(bit) << (7 - place);
        }
        self.at += 1;
    }

    pub(super) fn bits(&mut self, value: u32, count: u32) {
        for place in (0..count.min(32)).rev() {
            self.bit(value >> place & 1 == 1);
        }
    }

    /// Copies `count` bits.
    pub(super) fn copy(&mut self, from: &mut BitReader<'_>, count: usize) -> Option<()> {
        for _ in 0..count {
            self.bit(from.bit()?);
        }
        Some(())
    }

    /// Whole bytes written; the last one is filled up with zeros.
    pub(super) fn finish(self) -> Option<usize> {
        let length = self.at.div_ceil(8);
        (length <= self.bytes.len()).then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_of_the_specifications() {
        // ue(v): 1 -> 0, 010 -> 1, 011 -> 2, 00100 -> 3.
        let mut bits = BitReader::new(&[0b1010_0110, 0b0100_0000]);
        let read: Vec<_> = (0..4).filter_map(|_| bits.golomb()).collect();
        assert_eq!(read, [0, 1, 2, 3]);
        // se(v): 1, -1, 2 are codes 1, 2, 3.
        let mut bits = BitReader::new(&[0b0100_1100, 0b1000_0000]);
        let read: Vec<_> = (0..3).filter_map(|_| bits.signed_golomb()).collect();
        assert_eq!(read, [1, -1, 2]);
        // ns(5): 0, 1, 2 in two bits, 3 and 4 in three.
        let mut bits = BitReader::new(&[0b0001_1011, 0b0111_0000]);
        let read: Vec<_> = (0..5).filter_map(|_| bits.non_symmetric(5)).collect();
        assert_eq!(read, [0, 1, 2, 3, 4]);
        assert_eq!(BitReader::new(&[0xff]).non_symmetric(0), None);
        assert_eq!(BitReader::new(&[]).non_symmetric(1), Some(0));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in prop::collection::vec((any::<u32>(), 0..=32_u32), 0..40)) {
            let mut buffer = [0xff; 160];
            let mut writer = BitWriter::new(&mut buffer);
            for (value, count) in &values {
                writer.bits(*value, *count);
            }
            let length = writer.finish().expect("it fits");
            let mut reader = BitReader::new(&buffer[..length]);
            for (value, count) in values {
                let mask = if count == 32 { u32::MAX } else { (1 << count) - 1 };
                prop_assert_eq!(reader.bits(count), Some(value & mask));
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), n: u32) {
            let mut reader = BitReader::new(&bytes);
            while reader.golomb().is_some() {}
            let mut reader = BitReader::new(&bytes);
            while reader.signed_golomb().is_some() {}
            let mut reader = BitReader::new(&bytes);
            if let Some(value) = reader.non_symmetric(n) {
                prop_assert!(value < n);
            }
        }
    }
}

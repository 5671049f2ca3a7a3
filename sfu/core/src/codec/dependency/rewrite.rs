//! The descriptor as one subscriber gets it.

use crate::codec::bits::{BitReader, BitWriter};
use crate::codec::dependency::{Links, place};

/// Where flags begin, and how many they are, in bits.
const FLAGS_AT: usize = 24;
const FLAGS: usize = 5;

impl Links {
    /// Writes the descriptor `bytes`, from which these links were read, for a subscriber
    /// whose frames are numbered by `offset` more. References are differences of frame
    /// numbers, so all of a stream must move by the same.
    ///
    /// With a layer, the descriptor also says that only it and those below are sent
    /// (the mask of active decode targets). It goes with each frame at which a receiver
    /// may begin, and makes the descriptor longer by up to five bytes.
    ///
    /// Returns the length; `None` when it does not fit.
    pub fn rewrite(
        &self,
        bytes: &[u8],
        offset: u16,
        layer: Option<(u8, u8)>,
        out: &mut [u8],
    ) -> Option<usize> {
        let number = self.frame_number.wrapping_add(offset).to_be_bytes();
        let mask = layer.and_then(|(spatial, temporal)| self.masks.get(place(spatial, temporal)));
        let length = match mask {
            Some(mask) => self.with_mask(bytes, *mask, out)?,
            None => {
                out.get_mut(..bytes.len())?.copy_from_slice(bytes);
                bytes.len()
            }
        };
        out.get_mut(1..3)?.copy_from_slice(&number);
        Some(length)
    }

    fn with_mask(&self, bytes: &[u8], mask: u32, out: &mut [u8]) -> Option<usize> {
        let (mut from, mut to) = (BitReader::new(bytes), BitWriter::new(out));
        to.copy(&mut from, FLAGS_AT)?;
        let extended = bytes.len() * 8 > FLAGS_AT;
        let flags = if extended { from.bits(FLAGS as u32)? } else { 0 };
        // The second flag says that the mask is there.
        to.bits(flags | 0b0_1000, FLAGS as u32);
        let structure_end = usize::from(self.places.structure_end);
        to.copy(&mut from, structure_end.saturating_sub(FLAGS_AT + FLAGS))?;
        to.bits(mask, u32::from(self.mask_bits));
        if self.places.mask_present {
            from.skip(usize::from(self.mask_bits));
        }
        let rest = usize::from(self.places.end).saturating_sub(from.position());
        to.copy(&mut from, rest)?;
        to.finish()
    }
}

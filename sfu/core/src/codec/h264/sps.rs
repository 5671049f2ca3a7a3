//! The size in a sequence parameter set (H.264 section 7.3.2.1.1).

use crate::codec::Size;
use crate::codec::bits::BitReader;

/// Longest parameter set that is looked at. Those of calls have about 30 bytes.
const MAX_BYTES: usize = 128;
/// Largest picture of the standard's highest level is below this many macroblocks on
/// a side, and so is whatever a call shows.
const MAX_MACROBLOCKS: u32 = 1024;

/// The cropped size in luma samples. `unit` begins with the NAL unit's header.
pub(super) fn size(unit: &[u8]) -> Option<Size> {
    let mut plain = [0; MAX_BYTES];
    let length = unescape(unit.get(1..)?, &mut plain);
    let bits = &mut BitReader::new(plain.get(..length)?);
    let profile = bits.byte()?;
    // Constraint flags and level.
    bits.skip(16);
    bits.golomb()?;
    let chroma = if has_chroma(profile) { chroma(bits)? } else { Chroma::ORDINARY };
    bits.golomb()?;
    picture_order(bits)?;
    // Reference frames, and whether gaps are allowed.
    bits.golomb()?;
    bits.bit()?;
    frame_size(bits, chroma)
}

/// Samples of luma to one of chroma, both ways.
#[derive(Clone, Copy)]
struct Chroma {
    x: u32,
    y: u32,
}

impl Chroma {
    /// 4:2:0.
    const ORDINARY: Self = Self { x: 2, y: 2 };
}

/// Profiles whose parameter sets name the chroma format.
const fn has_chroma(profile: u8) -> bool {
    matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

fn chroma(bits: &mut BitReader<'_>) -> Option<Chroma> {
    let format = bits.golomb()?;
    let separate = format == 3 && bits.bit()?;
    // Bit depths, and the bypass flag.
    bits.golomb()?;
    bits.golomb()?;
    bits.bit()?;
    if bits.bit()? {
        for list in 0..if format == 3 { 12 } else { 8 } {
            if bits.bit()? {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(match format {
        1 => Chroma::ORDINARY,
        2 => Chroma { x: 2, y: 1 },
        3 if !separate => Chroma { x: 1, y: 1 },
        _ => Chroma { x: 1, y: 1 },
    })
}

fn skip_scaling_list(bits: &mut BitReader<'_>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.signed_golomb()? % 256 + 256) % 256;
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

fn picture_order(bits: &mut BitReader<'_>) -> Option<()> {
    match bits.golomb()? {
        0 => {
            bits.golomb()?;
        }
        1 => {
            bits.bit()?;
            bits.signed_golomb()?;
            bits.signed_golomb()?;
            let cycle = bits.golomb()?;
            if cycle > 255 {
                return None;
            }
            for _ in 0..cycle {
                bits.signed_golomb()?;
            }
        }
        _ => {}
    }
    Some(())
}

fn frame_size(bits: &mut BitReader<'_>, chroma: Chroma) -> Option<Size> {
    let columns = bits.golomb()?.checked_add(1).filter(|count| *count <= MAX_MACROBLOCKS)?;
    let rows = bits.golomb()?.checked_add(1).filter(|count| *count <= MAX_MACROBLOCKS)?;
    let frames_only = bits.bit()?;
    if !frames_only {
        bits.bit()?;
    }
    // Two fields make a frame.
    let fields = if frames_only { 1 } else { 2 };
    // direct_8x8_inference_flag.
    bits.bit()?;
    let (mut width, mut height) = (columns * 16, rows * 16 * fields);
    if bits.bit()? {
        let mut edge = || bits.golomb();
        let (left, right, top, bottom) = (edge()?, edge()?, edge()?, edge()?);
        let x = left.checked_add(right)?.checked_mul(chroma.x)?;
        let y = top.checked_add(bottom)?.checked_mul(chroma.y * fields)?;
        width = width.checked_sub(x)?;
        height = height.checked_sub(y)?;
    }
    Some(Size { width: u16::try_from(width).ok()?, height: u16::try_from(height).ok()? })
}

/// Takes out emulation prevention bytes (section 7.4.1). Returns the length.
fn unescape(escaped: &[u8], plain: &mut [u8]) -> usize {
    let mut zeros = 0;
    let mut length = 0;
    for byte in escaped {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        let Some(place) = plain.get_mut(length) else { break };
        *place = *byte;
        length += 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emulation_prevention_is_taken_out() {
        let mut plain = [0; 8];
        let length = unescape(&[1, 0, 0, 3, 1, 0, 0, 3, 3, 9], &mut plain);
        assert_eq!(plain[..length], [1, 0, 0, 1, 0, 0, 3, 9]);
    }

    #[test]
    fn a_cropped_high_profile_picture() {
        // High 4.0, 1920 x 1088 cropped to 1080: as x264 writes it, with no frame
        // cropping other than eight lines at the bottom.
        let unit = [0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0];
        assert_eq!(size(&unit), Some(Size { width: 1920, height: 1080 }));
    }
}

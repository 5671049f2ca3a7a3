//! VP8 over RTP (RFC 7741): the payload descriptor and the size in a keyframe.

use crate::codec::{Detail, Frame, MAX_TEMPORAL, Patch, Size, layer};

/// The payload descriptor (section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// First packet of a picture (the S bit in the first partition).
    pub starts_picture: bool,
    pub starts_keyframe: bool,
    /// The N bit: no other picture refers to it.
    pub non_reference: bool,
    pub picture_id: Option<PictureId>,
    /// TL0PICIDX and where it stands.
    tl0: Option<(u8, u8)>,
    pub temporal: u8,
    /// The Y bit: it depends on temporal layer 0 alone.
    pub layer_sync: bool,
}

/// A picture id of 7 or 15 bits, and where it stands in the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureId {
    pub value: u16,
    /// 15 bits instead of 7.
    pub long: bool,
    pub(super) at: u8,
}

impl PictureId {
    /// The id at an offset: one byte, or two when its first bit (M) is set.
    pub(super) fn parse(payload: &[u8], at: u8) -> Option<Self> {
        let first = *payload.get(usize::from(at))?;
        if first & 0x80 == 0 {
            return Some(Self { value: u16::from(first), long: false, at });
        }
        let second = *payload.get(usize::from(at) + 1)?;
        let value = u16::from_be_bytes([first & 0x7f, second]);
        Some(Self { value, long: true, at })
    }

    /// Bytes that it takes.
    pub(super) const fn length(self) -> u8 {
        if self.long { 2 } else { 1 }
    }

    /// How many ids there are before they begin anew; a power of two.
    pub const fn modulus(self) -> u16 {
        if self.long { 1 << 15 } else { 1 << 7 }
    }

    /// The patch that makes it `value`, modulo its width.
    pub(super) const fn write(self, patch: Patch, value: u16) -> Patch {
        let value = value & (self.modulus() - 1);
        if self.long {
            patch.pair(self.at, value | 0x8000)
        } else {
            patch.byte(self.at, value as u8)
        }
    }
}

impl Descriptor {
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let flags = *payload.first()?;
        let extended = flags & 0x80 != 0;
        let extension = if extended { *payload.get(1)? } else { 0 };
        let mut at = 1 + u8::from(extended);
        let picture_id = match extension & 0x80 {
            0 => None,
            _ => Some(PictureId::parse(payload, at)?),
        };
        at += picture_id.map_or(0, PictureId::length);
        let tl0 = match extension & 0x40 {
            0 => None,
            _ => Some((*payload.get(usize::from(at))?, at)),
        };
        at += u8::from(tl0.is_some());
        let layered = extension & 0x30 != 0;
        let layers = if layered { *payload.get(usize::from(at))? } else { 0 };
        at += u8::from(layered);
        // A descriptor without a payload decodes to nothing.
        let first = *payload.get(usize::from(at))?;
        let has_temporal = extension & 0x20 != 0;
        let starts_picture = flags & 0x10 != 0 && flags & 0x07 == 0;
        Some(Self {
            starts_picture,
            // The inverse of the key frame bit (RFC 6386 section 9.1).
            starts_keyframe: starts_picture && first & 1 == 0,
            non_reference: flags & 0x20 != 0,
            picture_id,
            tl0,
            temporal: if has_temporal { layers >> 6 } else { 0 },
            layer_sync: has_temporal && layers & 0x20 != 0,
        })
    }

    /// TL0PICIDX: which picture of temporal layer 0 this one builds on.
    pub fn tl0(&self) -> Option<u8> {
        self.tl0.map(|(value, _)| value)
    }

    /// The patch that gives a copy other numbers. What the source does not write is
    /// not added.
    pub fn renumber(&self, picture_id: u16, tl0: u8) -> Patch {
        let mut patch = Patch::default();
        if let Some(id) = self.picture_id {
            patch = id.write(patch, picture_id);
        }
        if let Some((_, at)) = self.tl0 {
            patch = patch.byte(at, tl0);
        }
        patch
    }

    pub(super) fn frame(self, marker: bool) -> Frame {
        Frame {
            starts_keyframe: self.starts_keyframe,
            ends_layer: marker,
            spatial: 0,
            temporal: layer(self.temporal, MAX_TEMPORAL),
            discardable: self.non_reference,
            switching_point: self.layer_sync || self.temporal == 0,
            detail: Detail::Vp8(self),
        }
    }
}

/// The size in the first packet of a keyframe (RFC 6386 section 9.1).
pub fn size(payload: &[u8]) -> Option<Size> {
    Descriptor::parse(payload).filter(|it| it.starts_keyframe)?;
    let start = descriptor_length(payload)?;
    let header = payload.get(start..)?.first_chunk::<10>()?;
    let [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] = *header else { return None };
    // The upper two bits are a scale that WebRTC's encoders leave alone.
    let side = |low, high| u16::from_le_bytes([low, high]) & 0x3fff;
    Some(Size { width: side(w0, w1), height: side(h0, h1) })
}

fn descriptor_length(payload: &[u8]) -> Option<usize> {
    let flags = *payload.first()?;
    if flags & 0x80 == 0 {
        return Some(1);
    }
    let extension = *payload.get(1)?;
    let mut length = 2;
    if extension & 0x80 != 0 {
        length += PictureId::parse(payload, 2)?.length();
    }
    length += u8::from(extension & 0x40 != 0) + u8::from(extension & 0x30 != 0);
    Some(usize::from(length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// X, S; I, L, T, K; a 15-bit picture id; TL0PICIDX; TID, Y, KEYIDX; the payload.
    fn payload(id: u16, tl0: u8, temporal: u8, sync: bool, key: bool) -> Vec<u8> {
        let [high, low] = (id | 0x8000).to_be_bytes();
        let layers = temporal << 6 | u8::from(sync) << 5;
        vec![0x90, 0xf0, high, low, tl0, layers, u8::from(!key), 0, 0]
    }

    #[test]
    fn all_fields_are_read() {
        let parsed = Descriptor::parse(&payload(0x1234, 9, 2, true, false)).expect("valid");
        assert_eq!(parsed.picture_id.map(|id| id.value), Some(0x1234));
        assert_eq!((parsed.tl0(), parsed.temporal, parsed.layer_sync), (Some(9), 2, true));
        assert!(parsed.starts_picture && !parsed.starts_keyframe);
        assert!(Descriptor::parse(&payload(1, 1, 0, false, true)).expect("valid").starts_keyframe);
    }

    #[test]
    fn the_shortest_form_and_other_partitions() {
        let key = Descriptor::parse(&[0x10, 0x00]).expect("valid");
        assert!(key.starts_keyframe && key.picture_id.is_none() && key.tl0().is_none());
        // The second partition of a picture, and a later packet of the first.
        assert!(!Descriptor::parse(&[0x11, 0x00]).expect("valid").starts_keyframe);
        assert!(!Descriptor::parse(&[0x00, 0x00]).expect("valid").starts_picture);
        assert!(Descriptor::parse(&[0x30, 0x01]).expect("valid").non_reference);
        // A short id, and a descriptor with nothing behind it.
        let short = Descriptor::parse(&[0x90, 0x80, 0x55, 0x00]).expect("valid");
        assert_eq!(short.picture_id.map(|id| (id.value, id.long)), Some((0x55, false)));
        assert_eq!(Descriptor::parse(&[0x90, 0x80, 0x55]), None);
    }

    #[test]
    fn a_keyframe_tells_its_size() {
        let mut bytes = payload(7, 1, 0, true, true);
        bytes.truncate(6);
        bytes.extend([0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02]);
        assert_eq!(size(&bytes), Some(Size { width: 1280, height: 720 }));
        bytes[9] = 0;
        assert_eq!(size(&bytes), None);
    }

    proptest! {
        #[test]
        fn numbers_are_replaced_in_place(id in 0..1_u16 << 15, tl0: u8, new_id: u16, new_tl0: u8, key: bool) {
            let mut bytes = payload(id, tl0, 1, false, key);
            let before = Descriptor::parse(&bytes).expect("valid");
            before.renumber(new_id, new_tl0).apply(&mut bytes);
            let after = Descriptor::parse(&bytes).expect("still valid");
            prop_assert_eq!(after.picture_id.map(|id| id.value), Some(new_id & 0x7fff));
            prop_assert_eq!(after.tl0(), Some(new_tl0));
            let restored = after.renumber(id, tl0);
            restored.apply(&mut bytes);
            prop_assert_eq!(bytes, payload(id, tl0, 1, false, key));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            let _ = size(&bytes);
            if let Some(parsed) = Descriptor::parse(&bytes) {
                let length = bytes.len();
                parsed.renumber(u16::MAX, u8::MAX).apply(&mut bytes);
                prop_assert_eq!(bytes.len(), length);
                let again = Descriptor::parse(&bytes).expect("the same shape");
                prop_assert_eq!(again.temporal, parsed.temporal);
                prop_assert_eq!(again.starts_keyframe, parsed.starts_keyframe);
            }
        }
    }
}

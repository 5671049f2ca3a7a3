//! VP9 over RTP (RFC 9628): the payload descriptor and the scalability structure.

use crate::codec::vp8::PictureId;
use crate::codec::{Detail, Frame, MAX_SPATIAL, MAX_TEMPORAL, Patch, Size, layer};

/// The payload descriptor (section 4.2), without the scalability structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    pub picture_id: Option<PictureId>,
    /// The P bit: it refers to earlier pictures.
    pub inter_picture: bool,
    /// The B bit: first packet of a layer's frame.
    pub starts_layer: bool,
    /// The E bit: last packet of a layer's frame.
    pub ends_layer: bool,
    /// The Z bit: no higher spatial layer of the same picture refers to it.
    pub not_for_upper: bool,
    pub spatial: u8,
    pub temporal: u8,
    /// The U bit: later pictures of this and higher temporal layers refer to none of
    /// theirs from before it.
    pub switching_up: bool,
    /// The D bit: it refers to the spatial layer below of the same picture.
    pub inter_layer: bool,
    /// TL0PICIDX and where it stands. Absent in flexible mode.
    tl0: Option<(u8, u8)>,
    /// Where the scalability structure begins, if the packet has one.
    structure_at: Option<u8>,
}

impl Descriptor {
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let flags = *payload.first()?;
        let has = |bit: u8| flags & bit != 0;
        let (flexible, inter_picture) = (has(0x10), has(0x40));
        let mut at = 1;
        let picture_id = if has(0x80) { Some(PictureId::parse(payload, at)?) } else { None };
        at += picture_id.map_or(0, PictureId::length);
        let mut layers = 0;
        let mut tl0 = None;
        if has(0x20) {
            layers = *payload.get(usize::from(at))?;
            at += 1;
            if !flexible {
                tl0 = Some((*payload.get(usize::from(at))?, at));
                at += 1;
            }
        }
        if flexible && inter_picture {
            at += reference_count(payload, at)?;
        }
        // A descriptor without a payload decodes to nothing.
        payload.get(usize::from(at))?;
        Some(Self {
            picture_id,
            inter_picture,
            starts_layer: has(0x08),
            ends_layer: has(0x04),
            not_for_upper: has(0x01),
            spatial: layers >> 1 & 0x07,
            temporal: layers >> 5,
            switching_up: layers & 0x10 != 0,
            inter_layer: layers & 0x01 != 0,
            tl0,
            structure_at: has(0x02).then_some(at),
        })
    }

    /// TL0PICIDX: which picture of temporal layer 0 this one builds on.
    pub fn tl0(&self) -> Option<u8> {
        self.tl0.map(|(value, _)| value)
    }

    /// A decoder that knows nothing can start with this packet.
    pub const fn starts_keyframe(&self) -> bool {
        self.starts_layer && !self.inter_picture && !self.inter_layer && self.spatial == 0
    }

    /// The patch that gives a copy other numbers. References in flexible mode are
    /// differences of picture ids, so all ids of a stream must move by the same.
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

    pub(super) fn frame(self) -> Frame {
        Frame {
            starts_keyframe: self.starts_keyframe(),
            ends_layer: self.ends_layer,
            spatial: layer(self.spatial, MAX_SPATIAL),
            temporal: layer(self.temporal, MAX_TEMPORAL),
            discardable: false,
            switching_point: self.switching_up || self.temporal == 0,
            detail: Detail::Vp9(self),
        }
    }
}

/// Bytes of the reference indices (P_DIFF) that begin at an offset: at most three,
/// each but the last with the N bit.
fn reference_count(payload: &[u8], at: u8) -> Option<u8> {
    for count in 1..=3 {
        let index = *payload.get(usize::from(at + count - 1))?;
        if index & 1 == 0 {
            return Some(count);
        }
    }
    None
}

/// Sizes of the spatial layers, from the scalability structure (section 4.2.1).
pub fn sizes(payload: &[u8]) -> [Option<Size>; MAX_SPATIAL] {
    let mut sizes = [None; MAX_SPATIAL];
    let structure = Descriptor::parse(payload)
        .and_then(|descriptor| payload.get(usize::from(descriptor.structure_at?)..));
    let Some([header, rest @ ..]) = structure else { return sizes };
    if header & 0x10 == 0 {
        return sizes;
    }
    let layers = usize::from(header >> 5) + 1;
    let (pairs, _) = rest.as_chunks::<4>();
    for (size, [w0, w1, h0, h1]) in sizes.iter_mut().zip(pairs.iter().take(layers)) {
        let side = |high, low| u16::from_be_bytes([high, low]);
        *size = Some(Size { width: side(*w0, *w1), height: side(*h0, *h1) });
    }
    sizes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// I, L and the given flags; a 15-bit picture id; the layer byte; TL0PICIDX.
    fn payload(flags: u8, id: u16, layers: u8, tl0: u8) -> Vec<u8> {
        let [high, low] = (id | 0x8000).to_be_bytes();
        vec![0xa0 | flags, high, low, layers, tl0, 0, 0]
    }

    #[test]
    fn all_fields_of_non_flexible_mode() {
        // P, B, E, Z; TID 2, U, SID 1, D.
        let bytes = payload(0x4d, 0x4321, 2 << 5 | 0x10 | 1 << 1 | 1, 77);
        let parsed = Descriptor::parse(&bytes).expect("valid");
        assert_eq!(parsed.picture_id.map(|id| id.value), Some(0x4321));
        assert_eq!((parsed.temporal, parsed.spatial, parsed.tl0()), (2, 1, Some(77)));
        assert!(parsed.switching_up && parsed.inter_layer && parsed.not_for_upper);
        assert!(parsed.starts_layer && parsed.ends_layer && parsed.inter_picture);
        assert!(!parsed.starts_keyframe());
    }

    #[test]
    fn a_keyframe_starts_at_its_lowest_layer() {
        assert!(Descriptor::parse(&payload(0x08, 1, 0, 0)).expect("valid").starts_keyframe());
        let upper = Descriptor::parse(&payload(0x08, 1, 1 << 1 | 1, 0)).expect("valid");
        assert!(!upper.starts_keyframe());
        let middle = Descriptor::parse(&payload(0x00, 1, 0, 0)).expect("valid");
        assert!(!middle.starts_keyframe());
    }

    #[test]
    fn flexible_mode_has_references_instead_of_tl0() {
        // I, P, L, F, B; two references; one byte of payload.
        let bytes = [0xf8, 0x05, 0x20, 0x03, 0x04, 0xaa];
        let parsed = Descriptor::parse(&bytes).expect("valid");
        assert_eq!((parsed.temporal, parsed.tl0()), (1, None));
        assert_eq!(parsed.picture_id.map(|id| (id.value, id.long)), Some((5, false)));
        // A fourth reference is not allowed.
        assert_eq!(Descriptor::parse(&[0xf8, 0x05, 0x20, 0x03, 0x03, 0x03, 0x02, 0]), None);
    }

    #[test]
    fn the_structure_tells_sizes() {
        // I, B, V; then N_S 1, Y: two sizes.
        let mut bytes = vec![0x8a, 0x05, 0x30];
        bytes.extend([0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68, 0xff]);
        let expected = [Size { width: 320, height: 180 }, Size { width: 640, height: 360 }];
        assert_eq!(sizes(&bytes), [Some(expected[0]), Some(expected[1]), None]);
        bytes.truncate(8);
        assert_eq!(sizes(&bytes), [Some(expected[0]), None, None]);
    }

    proptest! {
        #[test]
        fn numbers_are_replaced_in_place(flags in 0..16_u8, id in 0..1_u16 << 15, layers: u8, tl0: u8,
                                         new_id: u16, new_tl0: u8) {
            let flags = flags & !0x02;
            let mut bytes = payload(flags, id, layers, tl0);
            let before = Descriptor::parse(&bytes).expect("valid");
            before.renumber(new_id, new_tl0).apply(&mut bytes);
            prop_assert_eq!(bytes, payload(flags, new_id & 0x7fff, layers, new_tl0));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..48)) {
            let _ = sizes(&bytes);
            if let Some(parsed) = Descriptor::parse(&bytes) {
                parsed.renumber(u16::MAX, u8::MAX).apply(&mut bytes);
                let again = Descriptor::parse(&bytes).expect("the same shape");
                prop_assert_eq!(again.spatial, parsed.spatial);
            }
        }
    }
}

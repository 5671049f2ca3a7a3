//! H.264 over RTP (RFC 6184): where a decoder can start, and the size of the picture.

mod sps;

use crate::codec::{Detail, Frame, Packet, Size};

/// Types of NAL units (H.264 table 7-1, RFC 6184 section 5.2).
const IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// A packet's share in a picture. H.264 has no layers of its own here; a dependency
/// descriptor may tell temporal ones.
pub(super) fn frame(packet: Packet<'_>) -> Option<Frame> {
    let header = *packet.payload.first()?;
    Some(Frame {
        starts_keyframe: starts_keyframe(packet.payload),
        ends_layer: packet.marker,
        spatial: 0,
        temporal: 0,
        // nal_ref_idc, which an aggregate and a fragment repeat (sections 5.7, 5.8).
        discardable: header & 0x60 == 0,
        switching_point: true,
        detail: Detail::None,
    })
}

/// Whether a decoder can start here: at parameter sets, which encoders for calls send
/// with each keyframe and never alone, or at the first piece of an IDR picture.
pub fn starts_keyframe(payload: &[u8]) -> bool {
    let starts = |kind: u8| matches!(kind, IDR | SPS);
    match payload {
        [indicator, header, ..] if indicator & 0x1f == FU_A => {
            header & 0x80 != 0 && starts(header & 0x1f)
        }
        [indicator, rest @ ..] if indicator & 0x1f == STAP_A => {
            units(rest).any(|unit| unit.first().is_some_and(|header| starts(header & 0x1f)))
        }
        [header, ..] => starts(header & 0x1f),
        [] => false,
    }
}

/// The size that the sequence parameter set of a packet tells, if it carries one.
pub fn size(payload: &[u8]) -> Option<Size> {
    let is_sps = |unit: &&[u8]| unit.first().is_some_and(|header| header & 0x1f == SPS);
    let [header, rest @ ..] = payload else { return None };
    if header & 0x1f == STAP_A {
        return units(rest).find(is_sps).and_then(sps::size);
    }
    Some(payload).filter(is_sps).and_then(sps::size)
}

/// The units of a STAP-A packet behind its own header (section 5.7.1).
fn units(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (unit, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        bytes = rest;
        Some(unit)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keyframes_in_each_packetisation() {
        // Single units: IDR, SPS; a slice and a PPS are no start.
        assert!(starts_keyframe(&[0x65, 0x88]) && starts_keyframe(&[0x67, 0x42]));
        assert!(!starts_keyframe(&[0x41, 0x9a]) && !starts_keyframe(&[0x68, 0xce]));
        // STAP-A: PPS, then SPS; PPS alone; cut off inside.
        assert!(starts_keyframe(&[0x78, 0, 1, 0x68, 0, 2, 0x67, 0x42]));
        assert!(!starts_keyframe(&[0x78, 0, 1, 0x68]));
        assert!(!starts_keyframe(&[0x78, 0, 1, 0x68, 0, 9, 0x67]));
        // FU-A: the first piece of an IDR, a later one, the first of a slice.
        assert!(starts_keyframe(&[0x7c, 0x85, 0]));
        assert!(!starts_keyframe(&[0x7c, 0x45, 0]));
        assert!(!starts_keyframe(&[0x5c, 0x81, 0]));
        assert!(!starts_keyframe(&[]));
    }

    #[test]
    fn what_nobody_refers_to_may_be_left_out() {
        let packet = |payload| Packet { payload, marker: true, dependency: None };
        assert!(frame(packet(&[0x01, 0])).expect("a slice").discardable);
        assert!(!frame(packet(&[0x41, 0])).expect("a slice").discardable);
        assert_eq!(frame(packet(&[])), None);
    }

    #[test]
    fn a_size_is_found_in_an_aggregate() {
        // Constrained baseline 3.1, 1280 x 720, as OpenH264 writes it.
        let unit = [0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x28, 0x02, 0xdd, 0x00];
        let mut aggregate = vec![0x78, 0, 2, 0x68, 0xce, 0, unit.len() as u8];
        aggregate.extend(unit);
        let expected = Some(Size { width: 1280, height: 720 });
        assert_eq!(size(&unit), expected);
        assert_eq!(size(&aggregate), expected);
        assert_eq!(size(&[0x65, 1, 2, 3]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = starts_keyframe(&bytes);
            let _ = size(&bytes);
            let mut unit = vec![0x67];
            unit.extend(bytes);
            let _ = size(&unit);
        }
    }
}

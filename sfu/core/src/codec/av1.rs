//! AV1 over RTP ("RTP Payload Format For AV1", version 1.0): the aggregation header.
//! Layers are told by the [dependency descriptor](crate::codec::dependency).

use crate::codec::{Detail, Frame, Packet};

/// A packet as its aggregation header describes it (section 4.4), without layers.
pub(super) fn frame(packet: Packet<'_>) -> Option<Frame> {
    let [header, _, ..] = *packet.payload else { return None };
    let continues = header & 0x80 != 0;
    let new_sequence = header & 0x08 != 0;
    Some(Frame {
        // The N bit stands in the first packet of a coded video sequence only; with
        // a fragment that continues an earlier packet it is malformed.
        starts_keyframe: new_sequence && !continues,
        ends_layer: packet.marker,
        spatial: 0,
        temporal: 0,
        discardable: false,
        switching_point: true,
        detail: Detail::None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_starts_at_its_first_packet() {
        let read = |bytes: &[u8]| frame(Packet { payload: bytes, marker: false, dependency: None });
        assert!(read(&[0x18, 0x0a]).expect("valid").starts_keyframe);
        assert!(!read(&[0x10, 0x32]).expect("valid").starts_keyframe);
        assert!(!read(&[0x88, 0x32]).expect("valid").starts_keyframe);
        assert_eq!(read(&[0x18]), None);
    }
}

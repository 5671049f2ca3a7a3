use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::codec::dependency::sample::{SampleFrame, SampleStream};
use crate::codec::{FrameReader, Packet, VideoCodec};

const fn layer(spatial: u8, temporal: u8) -> Layer {
    Layer { spatial, temporal }
}

/// One packet of a VP8 picture. The picture's number is in its timestamp.
fn vp8(temporal: u8, sync: bool, key: bool) -> Frame {
    let payload = [0x90, 0xe0, 0x80, 0, 0, temporal << 6 | u8::from(sync) << 5, u8::from(!key), 0];
    let packet = Packet { payload: &payload, marker: true, dependency: None };
    FrameReader::new(VideoCodec::Vp8).read(packet).expect("valid")
}

fn vp9(spatial: u8, temporal: u8, key: bool, unused_above: bool) -> Frame {
    // I, L, B, E and what varies; picture id; layers with U and D; TL0PICIDX.
    let flags = 0xac | u8::from(!key) << 6 | u8::from(unused_above);
    let layers = temporal << 5 | 0x10 | spatial << 1 | u8::from(spatial > 0);
    let payload = [flags, 0x80, 0, layers, 0, 0, 0];
    let packet = Packet { payload: &payload, marker: false, dependency: None };
    FrameReader::new(VideoCodec::Vp9).read(packet).expect("valid")
}

fn candidate(stream: u8, timestamp: u32, frame: &Frame) -> Candidate<'_> {
    let ssrc = 100 + u32::from(stream);
    Candidate { stream, ssrc, timestamp, marker: true, in_order: true, frame }
}

#[test]
fn a_slot_starts_and_changes_streams_at_keyframes_only() {
    let (key, delta) = (vp8(0, false, true), vp8(0, false, false));
    let mut selector = Selector::new();
    assert_eq!(selector.decide(candidate(0, 0, &key)), Verdict::Ignore, "no target");
    selector.set_target(Some(layer(1, 2)), Stacking::Simulcast);
    assert_eq!(selector.needs_keyframe(), Some(1));
    assert_eq!(selector.decide(candidate(1, 1, &delta)), Verdict::Ignore);
    // A lower one is welcome until there is anything.
    assert_eq!(selector.decide(candidate(0, 2, &key)), Verdict::Begin { marker: true });
    assert_eq!((selector.current(), selector.needs_keyframe()), (Some(layer(0, 2)), Some(1)));
    assert!(selector.wants(0) && selector.wants(1) && !selector.wants(2));
    assert_eq!(selector.decide(candidate(1, 3, &delta)), Verdict::Ignore);
    assert_eq!(selector.decide(candidate(0, 3, &delta)), Verdict::Pass { marker: true });
    assert_eq!(selector.decide(candidate(1, 4, &key)), Verdict::Begin { marker: true });
    assert_eq!((selector.current(), selector.needs_keyframe()), (Some(layer(1, 2)), None));
    assert_eq!(selector.decide(candidate(0, 4, &key)), Verdict::Ignore);

    selector.set_target(None, Stacking::Simulcast);
    assert_eq!(selector.decide(candidate(1, 5, &delta)), Verdict::Ignore);
    selector.set_target(Some(layer(1, 2)), Stacking::Simulcast);
    assert_eq!(selector.decide(candidate(1, 6, &delta)), Verdict::Ignore, "after a pause");
}

#[test]
fn a_publisher_that_restarts_begins_with_a_keyframe() {
    let (key, delta) = (vp8(0, false, true), vp8(0, false, false));
    let mut selector = Selector::new();
    selector.set_target(Some(layer(0, 2)), Stacking::Simulcast);
    selector.decide(candidate(0, 0, &key));
    let other = Candidate { ssrc: 7, ..candidate(0, 1, &delta) };
    assert_eq!(selector.decide(other), Verdict::Ignore);
    assert_eq!(selector.needs_keyframe(), Some(0));
    let other = Candidate { ssrc: 7, frame: &key, ..other };
    assert_eq!(selector.decide(other), Verdict::Begin { marker: true });
}

#[test]
fn a_keyframe_that_was_repaired_is_too_late_to_begin_with() {
    let key = vp8(0, false, true);
    let mut selector = Selector::new();
    selector.set_target(Some(layer(0, 2)), Stacking::Simulcast);
    let late = Candidate { in_order: false, ..candidate(0, 0, &key) };
    assert_eq!(selector.decide(late), Verdict::Ignore);
    assert_eq!(selector.needs_keyframe(), Some(0));
}

#[test]
fn temporal_layers_go_at_once_and_come_back_at_a_sync_picture() {
    let mut selector = Selector::new();
    selector.set_target(Some(layer(0, 2)), Stacking::Scalable);
    let mut timestamp = 0;
    let mut decide = |selector: &mut Selector, temporal, sync, key| {
        timestamp += 1;
        let frame = vp8(temporal, sync, key);
        matches!(
            selector.decide(candidate(0, timestamp, &frame)),
            Verdict::Begin { .. } | Verdict::Pass { .. }
        )
    };
    assert!(decide(&mut selector, 0, false, true));
    assert!(decide(&mut selector, 2, true, false));
    selector.set_target(Some(layer(0, 0)), Stacking::Scalable);
    assert!(!decide(&mut selector, 1, true, false));
    assert!(decide(&mut selector, 0, false, false));
    selector.set_target(Some(layer(0, 2)), Stacking::Scalable);
    assert_eq!(selector.needs_keyframe(), None);
    assert!(!decide(&mut selector, 2, false, false), "it refers to one left out");
    assert!(decide(&mut selector, 1, true, false));
    assert!(!decide(&mut selector, 2, false, false));
    assert!(decide(&mut selector, 0, false, false));
    assert!(decide(&mut selector, 2, true, false));
}

#[test]
fn a_picture_is_sent_whole_or_not_at_all() {
    let mut selector = Selector::new();
    selector.set_target(Some(layer(0, 2)), Stacking::Scalable);
    let (key, upper) = (vp8(0, false, true), vp8(2, true, false));
    selector.decide(candidate(0, 1, &key));
    assert_eq!(selector.decide(candidate(0, 2, &upper)), Verdict::Pass { marker: true });
    selector.set_target(Some(layer(0, 0)), Stacking::Scalable);
    assert_eq!(selector.decide(candidate(0, 2, &upper)), Verdict::Pass { marker: true });
    assert_eq!(selector.decide(candidate(0, 3, &upper)), Verdict::Skip);
}

#[test]
fn spatial_layers_of_vp9_go_at_once_and_come_back_with_a_keyframe() {
    let mut selector = Selector::new();
    selector.set_target(Some(layer(2, 2)), Stacking::Scalable);
    let mut timestamp = 0;
    let mut picture = |selector: &mut Selector, key: bool, unused: bool| {
        timestamp += 1;
        let mut sent = Vec::new();
        for spatial in 0..3 {
            let frame = vp9(spatial, 0, key, unused && spatial < 2);
            let packet = Candidate { marker: spatial == 2, ..candidate(0, timestamp, &frame) };
            if let Verdict::Begin { marker } | Verdict::Pass { marker } = selector.decide(packet) {
                sent.push((spatial, marker));
            }
        }
        sent
    };
    let all = [(0, false), (1, false), (2, true)];
    assert_eq!(picture(&mut selector, true, false), all);
    selector.set_target(Some(layer(1, 2)), Stacking::Scalable);
    assert_eq!(picture(&mut selector, false, false), [(0, false), (1, true)]);
    selector.set_target(Some(layer(2, 2)), Stacking::Scalable);
    assert_eq!(picture(&mut selector, false, false), [(0, false), (1, true)]);
    assert_eq!(selector.needs_keyframe(), Some(0));
    assert_eq!(picture(&mut selector, true, false), all);

    // Layers that the one above does not need are left out, so there is no way back
    // to them without a keyframe.
    assert_eq!(picture(&mut selector, false, true), [(2, true)]);
    selector.set_target(Some(layer(0, 2)), Stacking::Scalable);
    for _ in 0..20 {
        assert_eq!(picture(&mut selector, false, true), [(2, true)]);
    }
    assert_eq!(selector.needs_keyframe(), Some(0));
    assert_eq!(picture(&mut selector, true, false), [(0, true)]);
}

/// Sends the pictures of an encoder through a selector; tells what was sent.
struct Relay {
    stream: SampleStream,
    reader: FrameReader,
    selector: Selector,
    timestamp: u32,
    sent: HashSet<u16>,
}

impl Relay {
    fn new(spatial: u8, temporal: u8, key_only: bool) -> Self {
        Self {
            stream: SampleStream::new(spatial, temporal, key_only, 65_500),
            reader: FrameReader::new(VideoCodec::Av1),
            selector: Selector::new(),
            timestamp: 0,
            sent: HashSet::new(),
        }
    }

    fn picture(&mut self, keyframe: bool) -> Vec<(SampleFrame, bool)> {
        self.timestamp += 3_000;
        let frames = self.stream.picture(keyframe);
        let highest = frames.len() - 1;
        let mut sent = Vec::new();
        for (index, frame) in frames.into_iter().enumerate() {
            let aggregation = if frame.keyframe && index == 0 { 0x18 } else { 0x10 };
            let packet = Packet {
                payload: &[aggregation, 0],
                marker: index == highest,
                dependency: Some(&frame.descriptor),
            };
            let read = self.reader.read(packet).expect("valid");
            assert_eq!((read.spatial, read.temporal), (frame.spatial, frame.temporal));
            let marker = packet.marker;
            let packet = Candidate { marker, ..candidate(0, self.timestamp, &read) };
            if let Verdict::Begin { marker } | Verdict::Pass { marker } =
                self.selector.decide(packet)
            {
                self.sent.insert(frame.number);
                sent.push((frame, marker));
            }
        }
        sent
    }
}

#[test]
fn a_scalable_stream_is_lowered_without_a_keyframe_and_raised_with_one() {
    let mut relay = Relay::new(3, 3, false);
    relay.selector.set_target(Some(layer(2, 2)), Stacking::Scalable);
    assert_eq!(relay.picture(true).len(), 3);
    relay.selector.set_target(Some(layer(0, 2)), Stacking::Scalable);
    let sent: Vec<_> = (0..8).map(|_| relay.picture(false).len()).collect();
    assert_eq!(relay.selector.current(), Some(layer(0, 2)), "{sent:?}");
    assert!(sent[4..].iter().all(|count| *count == 1), "{sent:?}");
    relay.selector.set_target(Some(layer(2, 2)), Stacking::Scalable);
    assert_eq!(relay.selector.needs_keyframe(), Some(0));
    assert!((0..8).all(|_| relay.picture(false).len() == 1));
    assert_eq!(relay.picture(true).len(), 3);
    assert_eq!(relay.selector.needs_keyframe(), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever layers are chosen, whoever gets what is sent can decode all of it, each
    /// picture ends with the marker, and the layer is reached with the next keyframe at
    /// the latest.
    #[test]
    fn what_is_sent_can_be_decoded(
        spatial in 1..4_u8, temporal in 1..4_u8, key_only: bool,
        steps in prop::collection::vec((0..3_u8, 0..3_u8, 1..12_usize, 0..4_u8), 1..30),
    ) {
        let mut relay = Relay::new(spatial, temporal, key_only);
        for (to_spatial, to_temporal, pictures, key) in steps {
            let goal = layer(to_spatial.min(spatial - 1), to_temporal.min(temporal - 1));
            relay.selector.set_target(Some(goal), Stacking::Scalable);
            for picture in 0..pictures {
                let keyframe = key == 0 && picture == 0 || relay.timestamp == 0;
                let sent = relay.picture(keyframe);
                let markers: Vec<_> = sent.iter().map(|(_, marker)| *marker).collect();
                if let Some((last, others)) = markers.split_last() {
                    prop_assert!(*last && others.iter().all(|marker| !marker));
                }
                for (frame, _) in &sent {
                    for reference in &frame.refers_to {
                        prop_assert!(relay.sent.contains(reference), "{frame:?}");
                    }
                }
                if keyframe {
                    prop_assert_eq!(relay.selector.current(), Some(goal));
                    prop_assert!(sent.iter().all(|(frame, _)| frame.spatial <= goal.spatial));
                }
            }
        }
    }
}

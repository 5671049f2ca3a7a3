#![expect(clippy::disallowed_methods, reason = "an origin for virtual time")]

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::codec::{Detail, FrameReader, Packet, VideoCodec};

fn audio(ssrc: u32, seq: u64, timestamp: u32) -> Source<'static> {
    Source { ssrc, seq, timestamp, clock_rate: 48_000, frame: None }
}

/// A VP8 packet: 15-bit picture id, TL0PICIDX, temporal layer.
fn vp8(id: u16, tl0: u8, temporal: u8, key: bool) -> Vec<u8> {
    let [high, low] = (id | 0x8000).to_be_bytes();
    vec![0x90, 0xe0, high, low, tl0, temporal << 6, u8::from(!key), 0]
}

fn read(codec: VideoCodec, payload: &[u8]) -> Frame {
    let packet = Packet { payload, marker: true, dependency: None };
    FrameReader::new(codec).read(packet).expect("valid")
}

/// What a receiver sees of a VP8 packet: picture id and TL0PICIDX.
fn seen(payload: &[u8], outgoing: Outgoing) -> (u16, u8) {
    let mut copy = payload.to_vec();
    outgoing.patch.apply(&mut copy);
    match read(VideoCodec::Vp8, &copy).detail {
        Detail::Vp8(descriptor) => {
            (descriptor.picture_id.expect("an id").value, descriptor.tl0().expect("an index"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_late_joiner_starts_with_rollover_zero() {
    let mut renumber = Renumber::new(u64::MAX);
    let first = renumber.begin(Instant::now(), audio(1, 70_000, 5)).expect("it begins");
    assert!(first.seq < 1 << 15);
    assert_eq!(first.timestamp, 5);
}

#[test]
fn a_new_source_continues_the_numbers_and_the_time() {
    let now = Instant::now();
    let mut renumber = Renumber::new(100);
    renumber.begin(now, audio(1, 10, 1000)).expect("it begins");
    renumber.pass(now, audio(1, 12, 2920)).expect("it follows");
    assert_eq!(renumber.pass(now, audio(2, 900_000, 77)), None, "not begun");
    let later = now + Duration::from_millis(100);
    let switched = renumber.begin(later, audio(2, 900_000, 77)).expect("it begins");

    assert_eq!((switched.seq, switched.timestamp), (103, 2920 + 4800));
    // A packet from before the switch must not take a number again.
    assert_eq!(renumber.pass(later, audio(2, 899_999, 0)), None);
    renumber.restart();
    assert!(!renumber.follows(2));
    assert_eq!(renumber.begin(later, audio(2, 900_001, 77)).map(|it| it.seq), Some(104));
}

#[test]
fn pictures_left_out_leave_no_hole_in_a_vp8_stream() {
    let now = Instant::now();
    let mut renumber = Renumber::new(0);
    let mut sent = Vec::new();
    // Two packets a picture; temporal layers 0 2 1 2, of which the second is left out.
    for picture in 0..9_u16 {
        let (temporal, tl0) = ([0, 2, 1, 2][usize::from(picture % 4)], (picture / 4) as u8);
        let payload = vp8(0x7ffd_u16.wrapping_add(picture) & 0x7fff, tl0, temporal, picture == 0);
        let frame = read(VideoCodec::Vp8, &payload);
        for half in 0..2 {
            let seq = u64::from(picture) * 2 + half;
            let timestamp = u32::from(picture) * 3_000;
            let source =
                Source { ssrc: 1, seq, timestamp, clock_rate: 90_000, frame: Some(&frame) };
            let outgoing = match (picture, half) {
                (0, 0) => renumber.begin(now, source),
                _ if temporal == 2 => {
                    renumber.skip(source);
                    continue;
                }
                _ => renumber.pass(now, source),
            };
            let outgoing = outgoing.expect("it is sent");
            sent.push((outgoing.seq, seen(&payload, outgoing)));
        }
    }
    let seqs: Vec<_> = sent.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (0..10).collect::<Vec<_>>());
    let ids: Vec<_> = sent.iter().step_by(2).map(|(_, (id, _))| *id).collect();
    assert_eq!(ids, [0x7ffd, 0x7ffe, 0x7fff, 0, 1]);
    assert_eq!(sent.last().map(|(_, (_, tl0))| *tl0), Some(2));
}

#[test]
fn picture_ids_continue_over_a_switch_and_over_an_encoder_that_begins_anew() {
    let now = Instant::now();
    let mut renumber = Renumber::new(0);
    let mut seq = 0;
    let mut send = |begin: bool, ssrc: u32, id: u16, tl0: u8| {
        let payload = vp8(id, tl0, 0, true);
        let frame = read(VideoCodec::Vp8, &payload);
        seq += 1;
        let source = Source { ssrc, seq, timestamp: 0, clock_rate: 90_000, frame: Some(&frame) };
        let outgoing = if begin { renumber.begin(now, source) } else { renumber.pass(now, source) };
        let outgoing = outgoing.expect("it is sent");
        (outgoing.patch.is_empty(), seen(&payload, outgoing))
    };
    assert_eq!(send(true, 1, 0x7fff, 255), (true, (0x7fff, 255)), "the first goes as it is");
    assert_eq!(send(true, 2, 300, 7), (false, (0, 0)));
    assert_eq!(send(false, 2, 301, 8), (false, (1, 1)));
    // The same SSRC, but numbers from before.
    assert_eq!(send(false, 2, 17, 200), (false, (2, 2)));
    assert_eq!(send(false, 2, 18, 201), (false, (3, 3)));
}

#[test]
fn vp9_ids_move_together() {
    let now = Instant::now();
    let mut renumber = Renumber::new(0);
    let payload = |id: u16| {
        let [high, low] = (id | 0x8000).to_be_bytes();
        vec![0x88, high, low, 0, 0]
    };
    let mut send = |begin: bool, ssrc: u32, seq: u64, id: u16| {
        let mut payload = payload(id);
        let frame = read(VideoCodec::Vp9, &payload);
        let source = Source { ssrc, seq, timestamp: 0, clock_rate: 90_000, frame: Some(&frame) };
        let outgoing = if begin { renumber.begin(now, source) } else { renumber.pass(now, source) };
        outgoing.expect("it is sent").patch.apply(&mut payload);
        u16::from_be_bytes([payload[1], payload[2]]) & 0x7fff
    };
    assert_eq!(send(true, 1, 0, 50), 50);
    assert_eq!(send(true, 2, 0, 9_000), 51);
    assert_eq!(send(false, 2, 1, 9_004), 55, "references are differences");
}

#[derive(Clone, Debug)]
struct Step {
    ssrc: u32,
    seq: u64,
    /// 0: begin anew, 1 and 2: leave out, else pass.
    act: u8,
    temporal: u8,
}

proptest! {
    /// Whatever sources do, no number stands for two packets, and what was sent before
    /// a source began is never followed by something that was numbered before.
    #[test]
    fn numbers_are_never_reused(steps in prop::collection::vec(
        (0..3_u32, 0..60_u64, 0..10_u8, 0..3_u8)
            .prop_map(|(ssrc, seq, act, temporal)| Step { ssrc, seq, act, temporal }), 1..300)) {
        let mut now = Instant::now();
        let mut renumber = Renumber::new(7);
        let mut given: HashMap<u64, (usize, Step)> = HashMap::new();
        let mut epoch = 0;
        for step in steps {
            now += Duration::from_millis(1);
            let payload = vp8(step.seq as u16, 0, step.temporal, false);
            let frame = read(VideoCodec::Vp8, &payload);
            let source = Source {
                ssrc: step.ssrc,
                seq: step.seq,
                timestamp: step.seq as u32,
                clock_rate: 90_000,
                frame: Some(&frame),
            };
            let outgoing = match step.act {
                0 => {
                    epoch += 1;
                    renumber.begin(now, source)
                }
                1 | 2 => {
                    renumber.skip(source);
                    None
                }
                _ => renumber.pass(now, source),
            };
            if let Some(outgoing) = outgoing {
                let (since, first) = given.entry(outgoing.seq).or_insert((epoch, step.clone()));
                prop_assert_eq!((*since, first.ssrc, first.seq), (epoch, step.ssrc, step.seq));
            }
        }
    }

    /// A stream of temporal layers of which the upper ones come and go: sequence numbers
    /// and picture ids of what is sent in order follow each other.
    #[test]
    fn thinning_leaves_no_hole(limits in prop::collection::vec(0..3_u8, 1..200), first_id: u16, packets in 1..4_u64) {
        let now = Instant::now();
        let mut renumber = Renumber::new(9);
        let mut seq = 1_000;
        let mut expected = None;
        for (picture, limit) in limits.into_iter().enumerate() {
            let temporal = [0, 2, 1, 2][picture % 4];
            let payload = vp8(first_id.wrapping_add(picture as u16) & 0x7fff, 0, temporal, picture == 0);
            let frame = read(VideoCodec::Vp8, &payload);
            for _ in 0..packets {
                seq += 1;
                let source =
                    Source { ssrc: 1, seq, timestamp: picture as u32, clock_rate: 90_000, frame: Some(&frame) };
                if seq == 1_001 {
                    let outgoing = renumber.begin(now, source).expect("it begins");
                    expected = Some((outgoing.seq, seen(&payload, outgoing).0));
                    continue;
                }
                if temporal > limit {
                    renumber.skip(source);
                    continue;
                }
                let outgoing = renumber.pass(now, source).expect("it is in order");
                let id = seen(&payload, outgoing).0;
                let (last_seq, last_id) = expected.expect("it began");
                prop_assert_eq!(outgoing.seq, last_seq + 1);
                let step = id.wrapping_sub(last_id) & 0x7fff;
                prop_assert!(step <= 1);
                expected = Some((outgoing.seq, id));
            }
        }
    }
}

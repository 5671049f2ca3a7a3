//! Participants that send what they should not.

use super::peer::{Kind, RIDS};
use super::scene::Scene;
use crate::fuzz::chromium_ids;
use crate::mutate::{Chance, inputs, mutated, seeds};
use crate::wire::extensions::Extensions;
use crate::wire::rtp::{ParsedRtp, RtpHeader};

/// The one who misbehaves; 0 and 1 are honest.
const BAD: usize = 2;

#[test]
fn streams_that_nobody_negotiated_go_nowhere() {
    let mut scene = Scene::with(2, 1);
    let mut index = 0;
    let before = scene.core.counters().forwarded_packets;
    scene.run(100);
    let quiet = scene.core.counters().forwarded_packets;
    assert_eq!(before, quiet);
    for (mid, payload_type) in [(None, 13), (Some("9"), 111), (Some("xyzzy"), 96), (None, 127)] {
        for ssrc in 50_000..50_020 {
            index += 1;
            let header =
                RtpHeader { payload_type, sequence: index as u16, ssrc, ..RtpHeader::default() };
            let extensions = Extensions { mid: mid.map(str::as_bytes), ..Extensions::default() };
            let packet = scene.peers[BAD].seal(&header, &extensions, &[0; 50], index);
            scene.inject_as(BAD, &packet.expect("connected"));
        }
    }
    scene.run(100);
    assert_eq!(scene.core.counters().forwarded_packets, quiet);
    scene.assert_undisturbed(&[0, 1]);
}

#[test]
fn a_thousand_streams_are_as_many_as_fit() {
    let mut scene = Scene::with(2, 1);
    let mut ssrc = 90_000;
    let numbers = scene.talk_while(&[0, 1], 2_000, |scene| {
        for _ in 0..10 {
            ssrc += 1;
            let peer = &mut scene.peers[BAD];
            let mid = peer.video.mid;
            let header = RtpHeader {
                payload_type: peer.video.payload_type,
                sequence: 1,
                ssrc,
                ..RtpHeader::default()
            };
            let extensions = Extensions {
                mid: Some(mid.as_bytes()),
                rid: Some(RIDS[ssrc as usize % 3].as_bytes()),
                ..Extensions::default()
            };
            // Its own sealer would not seal so many streams; a foreign one might.
            let payload = [0x10, 0, 0, 0, 0x9d, 1, 0x2a, 0, 0, 0, 0, 0];
            let packet = peer.seal(&header, &extensions, &payload, 1);
            if let Some(packet) = packet {
                scene.inject_as(BAD, &packet);
            }
        }
    });
    scene.assert_heard(&[0, 1], &numbers);
    scene.assert_bounded();
}

/// Sends large pictures, one every thousand packets a keyframe.
pub(super) fn flood(scene: &mut Scene, from: usize, packets: usize) {
    let mut payload = [0; 1_100];
    payload[0] = 0x10;
    for _ in 0..packets {
        let peer = &mut scene.peers[from];
        let (mid, index) = (peer.video.mid, peer.video.index);
        peer.video.index += 1;
        let header = RtpHeader {
            payload_type: peer.video.payload_type,
            sequence: index as u16,
            timestamp: index as u32,
            ssrc: peer.video.ssrc,
            ..RtpHeader::default()
        };
        let extensions = Extensions {
            mid: Some(mid.as_bytes()),
            rid: Some(RIDS[0].as_bytes()),
            ..Extensions::default()
        };
        payload[1] = u8::from(!index.is_multiple_of(1_000));
        let packet = peer.seal(&header, &extensions, &payload, index);
        scene.inject_as(from, &packet.expect("connected"));
    }
}

#[test]
fn a_flood_drowns_its_sender_alone() {
    let mut scene = Scene::with(2, 1);
    let before = scene.peers[0].received_bytes;
    // 600 packets in 20 ms: 264 Mb/s.
    let numbers = scene.talk_while(&[0, 1], 3_000, |scene| flood(scene, BAD, 600));
    let flooded = scene.peers[0].received_bytes - before;
    scene.assert_heard(&[0, 1], &numbers);
    let limit = scene.core.config.limits.publish_bps as usize / 8;
    assert!(flooded < 5 * limit, "{flooded} bytes in three seconds");
    assert!(scene.core.counters().excess_packets > 50_000);
}

#[test]
fn packets_with_any_contents_harm_nobody_else() {
    let mut scene = Scene::with(2, 1);
    let packets = seeds("rtp.txt");
    let mut chance = Chance::new(31);
    let rounds = inputs(150);
    let before = scene.core.counters();
    let numbers = scene.talk_while(&[0, 1], rounds * 20, |scene| {
        for _ in 0..20 {
            let plain = mutated(&packets, &mut chance);
            let packet = if chance.one_in(3) {
                scene.peers[BAD].seal_bytes(&plain)
            } else {
                with_a_good_header(scene, &plain, &mut chance)
            };
            if let Some(packet) = packet {
                scene.inject_as(BAD, &packet);
            }
        }
    });
    scene.assert_heard(&[0, 1], &numbers);
    let after = scene.core.counters();
    assert_eq!(after.panicked_sessions, 0);
    let honest = 2 * 2 * 2 * rounds;
    let forwarded = after.forwarded_packets - before.forwarded_packets;
    assert!(forwarded > honest + rounds, "{forwarded}: some of it is passed on");
}

/// Takes the payload and some of the header of a packet, and makes the rest fit what
/// was negotiated, in a stream that goes on.
fn with_a_good_header(scene: &mut Scene, plain: &[u8], chance: &mut Chance) -> Option<Vec<u8>> {
    let parsed = ParsedRtp::parse(plain)?;
    let payload = plain.get(parsed.header_bytes..)?;
    let peer = &mut scene.peers[BAD];
    let layer = chance.below(RIDS.len());
    let payload_type = *chance.of(&peer.video_payload_types);
    let kind = if chance.one_in(4) { Kind::Audio } else { Kind::Video };
    let line = peer.line_mut(kind);
    line.index += 1 + chance.below(3) as u64;
    let (mid, index) = (line.mid, line.index);
    let video = kind == Kind::Video;
    let header = RtpHeader {
        sequence: index as u16,
        ssrc: if video { 7_000 + layer as u32 } else { line.ssrc },
        payload_type: if video { payload_type } else { line.payload_type },
        ..parsed.header
    };
    let values = chromium_ids().read(parsed.elements(plain));
    let extensions = Extensions {
        mid: Some(mid.as_bytes()),
        rid: video.then_some(RIDS[layer].as_bytes()),
        repaired_rid: None,
        ..values
    };
    peer.seal(&header, &extensions, payload, index)
}

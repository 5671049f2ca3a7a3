//! Participants that ask for what they should not.

use super::peer::Kind;
use super::scene::Scene;
use crate::mutate::{Chance, inputs, mutated, seeds};
use crate::wire::rtcp::ReportBlock;
use crate::wire::twcc;

/// The one who misbehaves; 0 and 1 are honest.
const BAD: usize = 2;

/// SSRCs in which the relay sends to a peer.
fn slots(scene: &Scene, peer: usize, kind: Kind) -> Vec<u32> {
    let heard = scene.peers[peer].heard.iter().filter(|heard| heard.kind == kind);
    let mut ssrcs: Vec<_> = heard.map(|heard| heard.ssrc).collect();
    ssrcs.sort_unstable();
    ssrcs.dedup();
    ssrcs
}

#[test]
fn a_thousand_keyframe_requests_a_second_are_a_few() {
    let mut scene = Scene::with(2, 1);
    scene.talk(&[0, 1], 500);
    let ssrcs = slots(&scene, BAD, Kind::Video);
    assert_eq!(ssrcs.len(), 2, "of both honest peers");
    let before = scene.peers[0].asked.keyframes;
    let mut number = 0;
    let numbers = scene.talk_while(&[0, 1], 3_000, |scene| {
        for _ in 0..20 {
            number = (number + 1) % 200;
            scene.peers[BAD].say(|writer| {
                for ssrc in &ssrcs {
                    writer.picture_loss(1, *ssrc).expect("room");
                    writer.full_intra(1, *ssrc, number).expect("room");
                }
            });
        }
    });
    let asked = scene.peers[0].asked.keyframes - before;
    assert!((1..=15).contains(&asked), "{asked} keyframes in three seconds");
    scene.assert_heard(&[0, 1], &numbers);
}

#[test]
fn a_storm_of_nacks_is_answered_within_a_budget() {
    let mut scene = Scene::with(2, 1);
    scene.talk(&[0, 1], 500);
    let newest: Vec<_> =
        scene.peers[BAD].heard.iter().map(|heard| (heard.ssrc, heard.sequence)).collect();
    let before = scene.peers[BAD].received_bytes;
    let numbers = scene.talk_while(&[0, 1], 2_000, |scene| {
        for _ in 0..20 {
            scene.peers[BAD].say(|writer| {
                for (ssrc, sequence) in newest.iter().rev().take(20) {
                    let all = (0..100).map(|back| sequence.wrapping_sub(100 - back));
                    let _ = writer.nack(1, *ssrc, all);
                }
            });
        }
    });
    let received = scene.peers[BAD].received_bytes - before;
    // Two voices and two pictures of a hundred bytes, fifty times a second.
    assert!(received < 3 * 2 * 4 * 100 * 50, "{received} bytes in two seconds");
    scene.assert_heard(&[0, 1], &numbers);
}

/// Reports of arrivals and losses that never were.
pub(super) fn nonsense(scene: &mut Scene, from: usize, chance: &mut Chance) {
    let base = chance.next() as u16;
    let arrivals_us: Vec<_> = (0..chance.below(200) + 1)
        .map(|_| (!chance.one_in(3)).then(|| chance.next() >> chance.below(60)))
        .collect();
    let report = twcc::Report { base, number: chance.next() as u8, arrivals_us: &arrivals_us };
    let block = ReportBlock {
        ssrc: chance.next() as u32,
        fraction_lost: 255,
        cumulative_lost: i32::MIN,
        extended_highest: chance.next() as u32,
        jitter: u32::MAX,
        last_sender_report: chance.next() as u32,
        delay_since_last: chance.next() as u32,
    };
    scene.peers[from].say(|writer| {
        writer.receiver_report(1, &[block; 20]).expect("room");
        let _ = writer.transport_wide(1, 2, &report);
    });
}

#[test]
fn nonsense_about_arrivals_hurts_who_says_it() {
    let mut scene = Scene::with(2, 1);
    let mut chance = Chance::new(41);
    let rounds = inputs(100);
    let numbers = scene.talk_while(&[0, 1], rounds * 20, |scene| {
        for _ in 0..5 {
            nonsense(scene, BAD, &mut chance);
        }
    });
    scene.assert_heard(&[0, 1], &numbers);
    assert_eq!(scene.core.counters().panicked_sessions, 0);
}

#[test]
fn reports_with_any_contents_harm_nobody_else() {
    let mut scene = Scene::with(2, 1);
    scene.talk(&[0, 1, 2], 300);
    let compounds = seeds("rtcp.txt");
    let ssrcs = [slots(&scene, BAD, Kind::Audio), slots(&scene, BAD, Kind::Video)].concat();
    let mut chance = Chance::new(42);
    let rounds = inputs(150);
    let numbers = scene.talk_while(&[0, 1], rounds * 20, |scene| {
        for _ in 0..20 {
            let mut compound = mutated(&compounds, &mut chance);
            // The media source of feedback, so that it is about something.
            if let Some(media) = compound.get_mut(8..12)
                && chance.one_in(2)
            {
                media.copy_from_slice(&chance.of(&ssrcs).to_be_bytes());
            }
            compound.truncate(1_200);
            if let Some(packet) = scene.peers[BAD].seal_rtcp(&compound) {
                scene.inject_as(BAD, &packet);
            }
        }
    });
    scene.assert_heard(&[0, 1], &numbers);
    assert_eq!(scene.core.counters().panicked_sessions, 0);
}

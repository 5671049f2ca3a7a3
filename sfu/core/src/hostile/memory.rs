//! What a core keeps in memory, whatever comes.

use std::time::Duration;

use super::peer::Kind;
use super::publishers::flood;
use super::scene::Scene;
use super::subscribers::nonsense;
use crate::mutate::{Chance, mutated, seeds};
use crate::{Input, Output, heap};

/// The one who misbehaves; 0 and 1 are honest.
const BAD: usize = 2;
/// With a queue, a history and a reader for each stream, and str0m's own.
const MAX_PARTICIPANT_BYTES: isize = 1024 * 1024;

/// Bytes that are freed when the scene's core is.
fn core_bytes(scene: Scene) -> isize {
    let core = scene.core;
    let before = heap::live_bytes();
    drop(core);
    before - heap::live_bytes()
}

/// A core after so many seconds of everything at once.
fn attacked(seconds: u64) -> Scene {
    let mut scene = Scene::with(2, 1);
    let packets = ["stun.txt", "dtls.txt", "rtcp.txt", "rtp.txt"].map(seeds).concat();
    let mut chance = Chance::new(51);
    scene.talk_while(&[0, 1], seconds * 1_000, |scene| {
        flood(scene, BAD, 100);
        nonsense(scene, BAD, &mut chance);
        for port in 0..50 {
            let packet = mutated(&packets, &mut chance);
            scene.inject(([203, 0, 113, 7], 40_000 + port).into(), &packet);
            scene.inject_as(BAD, &packet);
        }
    });
    scene
}

#[test]
fn it_does_not_grow_with_what_comes() {
    let quiet = core_bytes(Scene::with(2, 1));
    let short = core_bytes(attacked(3));
    let long = core_bytes(attacked(12));
    assert!(quiet > 100_000, "{quiet}: the allocator counts");
    assert!(short < 3 * MAX_PARTICIPANT_BYTES, "{short} bytes, {quiet} without");
    assert!(long < short + short / 4, "{long} bytes, {short} after a quarter of the time");
}

/// One for each packet that comes in, however many it goes to.
#[test]
fn passing_a_packet_on_allocates_once() {
    let mut scene = Scene::with(6, 0);
    scene.talk(&[0], 2_000);
    let before_all = scene.core.counters().forwarded_packets;
    let mut allocated = 0;
    for number in 0..100 {
        scene.peers[0].send(Kind::Audio, number, false);
        scene.peers[0].send(Kind::Video, number, false);
        scene.now += Duration::from_millis(20);
        let now = scene.now;
        let flow = scene.flow(scene.peers[0].address);
        while let Some(packet) = scene.peers[0].outgoing.pop_front() {
            let before = heap::allocations();
            scene.core.handle(now, Input::Datagram { flow, contents: &packet });
            while !matches!(scene.core.poll(now), Output::Timeout(_)) {}
            allocated += heap::allocations() - before;
        }
    }
    let forwarded = scene.core.counters().forwarded_packets - before_all;
    // The rest is of reports, which are sent meanwhile, and of histories that grow.
    assert!(forwarded >= 800, "{forwarded}");
    assert!(allocated <= 200 + 100, "{allocated} for 200 packets, forwarded {forwarded} times");
}

//! Bugs of our own: what breaks in one session stays there.

use std::time::Duration;

use housecall_protocol::cluster::{SfuEvent, SfuRequest};
use housecall_protocol::domain::MediaState;

use super::peer::Kind;
use super::scene::Scene;
use crate::RequestError;
use crate::slab::Key;

/// The one whom a bug hits; 0 and 1 are to be spared.
const BROKEN: usize = 2;

fn key_of(scene: &Scene, peer: usize) -> Key {
    scene.core.find(scene.room, scene.person(peer)).expect("they joined")
}

/// The broken one is gone, everybody was told, and the others are as before.
fn assert_contained(scene: &mut Scene) {
    let broken = scene.person(BROKEN);
    scene.run(50);
    let gone = |event: &&SfuEvent| matches!(event, SfuEvent::Gone { participant } if *participant == broken);
    assert_eq!(scene.events.iter().filter(gone).count(), 1);
    let counters = scene.core.counters();
    assert_eq!((counters.failed_sessions, counters.panicked_sessions), (1, 1));
    assert_eq!(scene.core.participants(), 2);
    scene.assert_undisturbed(&[0, 1]);
    scene.assert_bounded();
}

#[test]
fn in_reading_a_packet() {
    let mut scene = Scene::with(3, 0);
    let (now, flow) = (scene.now, scene.flow(scene.peers[BROKEN].address));
    scene.core.receive_media(now, flow, &[0x80; 40], |_, _, _, _| panic!("a bug"));
    assert_contained(&mut scene);
}

#[test]
fn in_any_step() {
    let mut scene = Scene::with(3, 0);
    let key = key_of(&scene, BROKEN);
    let now = scene.now;
    let done = scene.core.guard(now, key, |_| panic!("a bug"));
    assert_eq!(done, None::<()>);
    assert_contained(&mut scene);
}

#[test]
fn in_a_request() {
    let mut scene = Scene::with(3, 0);
    let (room, participant) = (scene.room, scene.person(BROKEN));
    let request = SfuRequest::SetMedia { room, participant, media: MediaState::ALL };
    let now = scene.now;
    let refused = scene.core.guard_request(now, &request, |_| panic!("a bug"));
    assert_eq!(refused, Err(RequestError::Internal));
    assert_contained(&mut scene);
}

#[test]
fn in_what_ice_and_dtls_bring() {
    let mut scene = Scene::with(2, 0);
    assert_eq!(scene.join(false), BROKEN);
    // No deadline can be told from it, which their first check asks for.
    scene.core.config.patience = Duration::MAX;
    scene.run(200);
    scene.core.config.patience = Duration::from_secs(30);
    assert_contained(&mut scene);
}

#[test]
fn in_passing_a_packet_to_one_of_several() {
    let mut scene = Scene::with(3, 0);
    let numbers = scene.talk(&[0], 100);
    assert_eq!(scene.take_heard(1, 0, Kind::Audio).len(), numbers.len());
    // The first one to whom the next packet goes cannot be counted.
    let counted = scene.core.counters.forwarded_packets;
    scene.core.counters.forwarded_packets = u64::MAX;
    scene.peers[0].send(Kind::Audio, numbers.end, false);
    let packet = scene.peers[0].outgoing.pop_front().expect("it was sent");
    scene.inject_as(0, &packet);
    scene.core.counters.forwarded_packets = counted;
    scene.flush();

    let gone = scene.events.iter().filter_map(|event| match event {
        SfuEvent::Gone { participant } => Some(*participant),
        _ => None,
    });
    let gone: Vec<_> = gone.collect();
    let broken = (1..3).find(|peer| gone == [scene.person(*peer)]).expect("one, not who sent it");
    let counters = scene.core.counters();
    assert_eq!((counters.failed_sessions, counters.panicked_sessions), (1, 1));
    scene.assert_undisturbed(&[0, 3 - broken]);
    scene.assert_bounded();
}

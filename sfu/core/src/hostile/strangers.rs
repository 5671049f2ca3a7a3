//! Addresses that belong to nobody.

use std::net::SocketAddr;
use std::time::Duration;

use super::peer::Kind;
use super::scene::Scene;
use crate::mutate::{Chance, inputs, mutated, seeds};

const STRANGER: ([u8; 4], u16) = ([203, 0, 113, 7], 40_000);

/// Genuine packets of a call, as they left the first peer.
fn genuine(scene: &mut Scene) -> Vec<Vec<u8>> {
    let mut packets = [seeds("stun.txt"), seeds("dtls.txt"), seeds("rtcp.txt")].concat();
    for number in 1_000_000..1_000_005 {
        let peer = &mut scene.peers[0];
        peer.send(Kind::Audio, number, false);
        packets.extend(peer.outgoing.iter().cloned());
        scene.run(20);
    }
    packets
}

#[test]
fn nobody_who_is_unknown_gets_an_answer() {
    let mut scene = Scene::with(2, 0);
    let packets = genuine(&mut scene);
    let mut chance = Chance::new(21);
    for _ in 0..inputs(4_000) {
        let packet = mutated(&packets, &mut chance);
        scene.inject(STRANGER.into(), &packet);
        scene.flush();
    }
    scene.run(100);
    assert_eq!(scene.strayed_bytes, 0);
    assert_eq!(scene.core.participants(), 2);
    assert_eq!(scene.core.counters().failed_sessions, 0);
    scene.assert_undisturbed(&[0, 1]);
}

#[test]
fn a_known_address_is_no_proof() {
    let mut scene = Scene::with(3, 0);
    let packets = genuine(&mut scene);
    let mut chance = Chance::new(22);
    let address = scene.peers[0].address;
    let numbers = scene.talk_while(&[0, 1, 2], 2_000, |scene| {
        for _ in 0..20 {
            let packet = mutated(&packets, &mut chance);
            // DTLS alerts in clear text before the handshake are another matter.
            if !matches!(packet.first(), Some(20..=63)) {
                scene.inject(address, &packet);
            }
        }
    });
    scene.assert_heard(&[0, 1, 2], &numbers);
    assert_eq!(scene.core.counters().failed_sessions, 0);
}

#[test]
fn what_was_recorded_is_of_no_use_again() {
    let mut scene = Scene::with(2, 0);
    let mut recorded = Vec::new();
    for number in 0..50 {
        let peer = &mut scene.peers[0];
        peer.send(Kind::Audio, number, false);
        recorded.extend(peer.outgoing.iter().cloned());
        scene.run(20);
    }
    scene.run(100);
    let before = scene.take_heard(1, 0, Kind::Audio).len();
    assert_eq!(before, 50);
    let address = scene.peers[0].address;
    for source in [address, SocketAddr::from(STRANGER)] {
        for packet in &recorded {
            scene.inject(source, packet);
        }
        scene.run(50);
    }
    assert_eq!(scene.take_heard(1, 0, Kind::Audio), []);
    assert_eq!(scene.strayed_bytes, 0, "media goes where the participant is");
    scene.assert_undisturbed(&[0, 1]);
}

/// What ICE sends in six seconds. `forge` may change where each check seems to come
/// from: the number of a peer.
fn checks(scene: &mut Scene, forge: impl Fn(usize) -> usize) -> Vec<(usize, Vec<u8>)> {
    let mut checks = Vec::new();
    for _ in 0..6_000 {
        scene.now += Duration::from_millis(1);
        for index in 0..scene.peers.len() {
            let now = scene.now;
            scene.peers[index].wake(now);
            let sent: Vec<_> = scene.peers[index].outgoing.drain(..).collect();
            for datagram in sent {
                let is_check = datagram[0] == 0;
                scene.inject_as(if is_check { forge(index) } else { index }, &datagram);
                if is_check {
                    checks.push((index, datagram));
                }
            }
        }
        scene.flush();
    }
    assert!(!checks.is_empty(), "ICE keeps the path alive");
    checks
}

#[test]
fn a_recorded_check_of_the_path_moves_no_media() {
    let mut scene = Scene::with(2, 0);
    let recorded: Vec<_> =
        checks(&mut scene, |from| from).into_iter().map(|(_, check)| check).collect();
    let mut chance = Chance::new(23);
    let mut injected_bytes = 0;
    let numbers = scene.talk_while(&[0, 1], 1_000, |scene| {
        let check = match chance.one_in(2) {
            true => chance.of(&recorded).clone(),
            false => mutated(&recorded, &mut chance),
        };
        injected_bytes += check.len();
        // From so many addresses that all are not remembered.
        let (address, port) = STRANGER;
        scene.inject((address, port + chance.below(20) as u16).into(), &check);
    });
    scene.assert_heard(&[0, 1], &numbers);
    // An answer to a check is no longer than the check.
    assert!(scene.strayed_bytes <= injected_bytes, "{} bytes", scene.strayed_bytes);
}

#[test]
fn a_participant_cannot_take_the_address_of_another() {
    let mut scene = Scene::with(3, 0);
    // The third one writes the first one's address into its own checks.
    checks(&mut scene, |from| if from == 2 { 0 } else { from });
    let numbers = scene.talk(&[0, 1], 1_000);
    scene.assert_heard(&[0, 1], &numbers);
}

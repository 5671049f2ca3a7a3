//! Everything at once, in any order.

use std::time::Duration;

use housecall_protocol::cluster::{SfuReply, SfuRequest};
use housecall_protocol::domain::MediaState;
use housecall_protocol::ids::{CallId, PersonId};
use housecall_protocol::media::{ParticipantRole, Tile};

use super::peer::Kind;
use super::scene::Scene;
use crate::mutate::{Chance, inputs, mutated, offers, seeds};

/// What scripts draw from.
struct Material {
    datagrams: Vec<Vec<u8>>,
    rtp: Vec<Vec<u8>>,
    rtcp: Vec<Vec<u8>>,
    offers: Vec<Vec<u8>>,
}

impl Material {
    fn new() -> Self {
        Self {
            datagrams: ["stun.txt", "dtls.txt", "rtcp.txt", "rtp.txt"].map(seeds).concat(),
            rtp: seeds("rtp.txt"),
            rtcp: seeds("rtcp.txt"),
            offers: offers().into_iter().map(String::into_bytes).collect(),
        }
    }
}

/// Somebody does something. The peers of the first two places are left alone.
fn act(scene: &mut Scene, material: &mut Material, chance: &mut Chance) {
    let room = scene.room;
    let peer = 2 + chance.below(scene.peers.len() - 2);
    let participant = if chance.one_in(10) { PersonId::generate() } else { scene.person(peer) };
    let room = if chance.one_in(20) { CallId::generate() } else { room };
    // Refusals are the rule here; what counts is that it returns.
    match chance.below(16) {
        0..4 => {
            let packet = mutated(&material.datagrams, chance);
            let from = if chance.one_in(2) {
                scene.peers[peer].address
            } else {
                ([203, 0, 113, 7], 40_000).into()
            };
            scene.inject(from, &packet);
        }
        4..6 => {
            let kind = if chance.one_in(2) { Kind::Audio } else { Kind::Video };
            scene.peers[peer].send(kind, 0, chance.one_in(3));
            // What was genuine once is mutated and replayed later.
            let genuine = scene.peers[peer].outgoing.back().cloned();
            if material.datagrams.len() < 500 {
                material.datagrams.extend(genuine);
            }
        }
        6..8 => {
            let plain = mutated(&material.rtp, chance);
            if let Some(packet) = scene.peers[peer].seal_bytes(&plain[..plain.len().min(1_300)]) {
                scene.inject_as(peer, &packet);
            }
        }
        8..10 => {
            let compound = mutated(&material.rtcp, chance);
            let compound = &compound[..compound.len().min(1_300)];
            if let Some(packet) = scene.peers[peer].seal_rtcp(compound) {
                scene.inject_as(peer, &packet);
            }
        }
        10 => {
            let sdp = mutated(&material.offers, chance);
            let sdp = String::from_utf8_lossy(&sdp).into_owned();
            let request = if chance.one_in(2) {
                SfuRequest::Offer { room, participant, sdp }
            } else {
                let role = *chance.of(&[
                    ParticipantRole::Member,
                    ParticipantRole::Listener,
                    ParticipantRole::Hidden,
                ]);
                SfuRequest::Join { room, participant: PersonId::generate(), sdp, role }
            };
            let _ = scene.tell(&request);
        }
        11 => {
            let media = MediaState {
                microphone: chance.one_in(2),
                camera: chance.one_in(2),
                screen: chance.one_in(2),
            };
            let request = if chance.one_in(2) {
                SfuRequest::SetMedia { room, participant, media }
            } else {
                SfuRequest::SetAllowed { room, participant, allowed: media }
            };
            let _ = scene.tell(&request);
        }
        12 => {
            let tiles = (0..chance.below(40))
                .map(|_| Tile {
                    mid: chance.below(12).to_string(),
                    width: chance.next() as u16,
                    height: chance.next() as u16,
                })
                .collect();
            let _ = scene.tell(&SfuRequest::SetTiles { room, participant, tiles });
        }
        13 if chance.one_in(3) => {
            let _ = scene.tell(&SfuRequest::Leave { room, participant });
        }
        14 if scene.peers.len() < 8 => {
            scene.join(chance.one_in(2));
        }
        _ => {
            let ms = 1 + chance.below(50) as u64;
            scene.run(ms);
        }
    }
    scene.flush();
}

/// The offers that scripts start from are good ones.
#[test]
fn chromium_is_let_in() {
    let mut scene = Scene::empty();
    for sdp in offers() {
        let request = SfuRequest::Join {
            room: scene.room,
            participant: PersonId::generate(),
            sdp,
            role: ParticipantRole::Member,
        };
        let answer = scene.tell(&request);
        assert!(matches!(answer, Ok(SfuReply::Answer { .. })), "{answer:?}");
    }
    assert_eq!(scene.core.participants(), 5);
}

/// Two honest peers talk in the same room all the while.
#[test]
fn honest_peers_hear_each_other_whatever_the_others_do() {
    let mut material = Material::new();
    for script in 0..inputs(12) {
        let mut chance = Chance::new(5_000 + script);
        let mut scene = Scene::with(2, 2);
        for _ in 0..6 {
            for _ in 0..40 {
                act(&mut scene, &mut material, &mut chance);
            }
            scene.peers.truncate(8);
        }
        scene.assert_undisturbed(&[0, 1]);
        assert_eq!(scene.core.counters().panicked_sessions, 0, "script {script}");
        scene.assert_bounded();
        assert_ends(&mut scene);
    }
}

/// The clock jumps as well, which ends sessions; but nothing else.
#[test]
fn time_may_jump() {
    let mut material = Material::new();
    for script in 0..inputs(12) {
        let mut chance = Chance::new(9_000 + script);
        let mut scene = Scene::with(2, 1);
        for _ in 0..120 {
            act(&mut scene, &mut material, &mut chance);
            if chance.one_in(6) {
                scene.now += Duration::from_micros(chance.next() % (1 << chance.below(30)));
                scene.flush();
            }
        }
        assert_eq!(scene.core.counters().panicked_sessions, 0, "script {script}");
        scene.assert_bounded();
        assert_ends(&mut scene);
    }
}

/// Closing empties the core, and nothing is left to do.
fn assert_ends(scene: &mut Scene) {
    scene.core.close_all(scene.now);
    scene.flush();
    let room = scene.room;
    let _ = scene.tell(&SfuRequest::Close { room });
    scene.flush();
    assert!(scene.core.is_vacant());
}

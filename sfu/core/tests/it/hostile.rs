//! Bytes and requests from anybody: refused, bounded, and never a panic.

use std::net::SocketAddr;
use std::time::Duration;

use housecall_protocol::cluster::{SfuEvent, SfuRequest};
use housecall_protocol::domain::MediaState;
use housecall_protocol::ids::{CallId, PersonId};
use housecall_protocol::media::ParticipantRole;
use housecall_sfu_core::{Input, RequestError};
use proptest::prelude::*;

use crate::client::Client;
use crate::network::Conditions;
use crate::world::World;

#[test]
fn limits_are_kept() {
    let mut world = World::connected(Conditions::GOOD, 1, 1);
    let (room, participant) = (world.room, PersonId::generate());
    let join =
        |sdp: String| SfuRequest::Join { room, participant, sdp, role: ParticipantRole::Member };
    let refused = world.tell(&join("v=0\r\n".repeat(20_000)));
    assert!(matches!(refused, Err(RequestError::TooLarge { .. })), "{refused:?}");
    let refused = world.tell(&join("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(13)));
    assert!(matches!(refused, Err(RequestError::TooLarge { .. })), "{refused:?}");
    let refused = world.tell(&join("not SDP".to_owned()));
    assert!(matches!(refused, Err(RequestError::BadOffer { .. })), "{refused:?}");
    for _ in 1..50 {
        world.join();
    }
    let (_, offer) = Client::new(world.now, SocketAddr::from(([10, 0, 0, 1], 1)));
    assert_eq!(world.tell(&join(offer)), Err(RequestError::RoomFull));
    let refused =
        world.tell(&SfuRequest::SetForwarding { room: CallId::generate(), forwarding: true });
    assert_eq!(refused, Err(RequestError::UnknownRoom));
}

#[test]
fn a_bad_later_offer_is_refused_and_the_call_goes_on() {
    let mut world = World::connected(Conditions::GOOD, 2, 2);
    world.set_forwarding(true);
    let (_, foreign) = Client::new(world.now, SocketAddr::from(([10, 0, 0, 1], 1)));
    for sdp in ["".to_owned(), "v=0\r\n".to_owned(), foreign.replace("a=mid", "a=mud")] {
        let participant = world.clients[0].person;
        let refused = world.tell(&SfuRequest::Offer { room: world.room, participant, sdp });
        assert!(matches!(refused, Err(RequestError::BadOffer { .. })), "{refused:?}");
    }
    let sent = world.talk(0, Duration::from_secs(1));
    world.run(Duration::from_secs(1));
    let audio = world.clients[1].audio;
    assert_eq!(world.clients[1].take_received(audio).len() as u32, sent);
}

#[test]
fn datagrams_from_strangers_change_nothing() {
    let mut world = World::connected(Conditions::GOOD, 3, 2);
    let source = SocketAddr::from(([203, 0, 113, 7], 40_000));
    let before = world.events.len();
    for first in 0..=255_u8 {
        let contents = [first; 60];
        world
            .core
            .handle(world.now, Input::Datagram { flow: world.flow(source), contents: &contents });
    }
    world.run(Duration::from_millis(100));
    assert_eq!(world.core.counters().stray_datagrams, 256);
    let after: Vec<_> = world.events[before..]
        .iter()
        .filter(|event| !matches!(event, SfuEvent::Quality { .. }))
        .collect();
    assert!(after.is_empty(), "{after:?}");
}

/// What a stranger or a client may do.
#[derive(Clone, Debug)]
enum Act {
    Bytes {
        from_client: bool,
        contents: Vec<u8>,
    },
    /// A genuine packet of a client, with some bytes changed.
    Mutated {
        at: Vec<(usize, u8)>,
        keep: usize,
    },
    Offer {
        cuts: Vec<(usize, usize)>,
        later: bool,
    },
    Forwarding(bool),
    Media(bool, bool, bool),
    Leave,
    Close,
    Join,
    Wait(u16),
}

fn acts() -> impl Strategy<Value = Act> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        // More of what looks like STUN, DTLS, RTP and RTCP.
        (prop::sample::select(vec![0_u8, 1, 20, 22, 23, 63, 128, 144, 159, 191]), any::<u8>())
            .prop_flat_map(|(first, second)| {
                prop::collection::vec(any::<u8>(), 0..200).prop_map(move |mut rest| {
                    rest.splice(0..0, [first, second]);
                    rest
                })
            }),
    ];
    prop_oneof![
        8 => (any::<bool>(), bytes)
            .prop_map(|(from_client, contents)| Act::Bytes { from_client, contents }),
        8 => (prop::collection::vec((0..1200_usize, any::<u8>()), 0..4), 1..1500_usize)
            .prop_map(|(at, keep)| Act::Mutated { at, keep }),
        4 => (prop::collection::vec((0..4000_usize, 0..60_usize), 0..4), any::<bool>())
            .prop_map(|(cuts, later)| Act::Offer { cuts, later }),
        2 => any::<bool>().prop_map(Act::Forwarding),
        2 => any::<(bool, bool, bool)>().prop_map(|(a, b, c)| Act::Media(a, b, c)),
        1 => Just(Act::Leave),
        1 => Just(Act::Close),
        2 => Just(Act::Join),
        4 => (0..40_000_u16).prop_map(Act::Wait),
    ]
}

fn perform(world: &mut World, act: Act) {
    let room = world.room;
    let person = world.clients.first().map_or_else(PersonId::generate, |client| client.person);
    let client_address = world.clients.first().map(|client| client.address);
    let stranger = SocketAddr::from(([203, 0, 113, 7], 40_000));
    match act {
        Act::Bytes { from_client, contents } => {
            let source = client_address.filter(|_| from_client).unwrap_or(stranger);
            world.core.handle(
                world.now,
                Input::Datagram { flow: world.flow(source), contents: &contents },
            );
        }
        Act::Mutated { at, keep } => {
            let now = world.now;
            let Some(client) = world.clients.first_mut() else { return };
            client.wake(now + Duration::from_secs(1));
            let Some((_, mut contents)) = client.take_outgoing() else { return };
            contents.truncate(keep);
            for (index, byte) in at {
                if let Some(changed) = contents.get_mut(index) {
                    *changed = byte;
                }
            }
            let source = client.address;
            world.core.handle(
                world.now,
                Input::Datagram { flow: world.flow(source), contents: &contents },
            );
        }
        Act::Offer { cuts, later } => {
            let (_, offer) = Client::new(world.now, SocketAddr::from(([10, 0, 0, 1], 1)));
            let mut bytes = offer.into_bytes();
            for (at, length) in cuts {
                let at = at.min(bytes.len());
                let end = (at + length).min(bytes.len());
                let piece: Vec<_> = bytes.drain(at..end).collect();
                let to = (at * 7 + length) % (bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            let sdp = String::from_utf8_lossy(&bytes).into_owned();
            let request = if later {
                SfuRequest::Offer { room, participant: person, sdp }
            } else {
                SfuRequest::Join {
                    room,
                    participant: PersonId::generate(),
                    sdp,
                    role: ParticipantRole::Member,
                }
            };
            // Refusals are the rule here; what counts is that it returns.
            let _ = world.tell(&request);
        }
        Act::Forwarding(forwarding) => {
            let _ = world.tell(&SfuRequest::SetForwarding { room, forwarding });
        }
        Act::Media(microphone, camera, screen) => {
            let media = MediaState { microphone, camera, screen };
            let _ = world.tell(&SfuRequest::SetMedia { room, participant: person, media });
        }
        Act::Leave => {
            let _ = world.tell(&SfuRequest::Leave { room, participant: person });
        }
        Act::Close => {
            let _ = world.tell(&SfuRequest::Close { room });
        }
        Act::Join => {
            if world.clients.len() < 6 {
                world.join();
            }
        }
        Act::Wait(ms) => world.run(Duration::from_millis(u64::from(ms) / 100)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// No order of datagrams and requests panics, and closing the room always
    /// empties the core.
    #[test]
    fn anything_in_any_order(script in prop::collection::vec(acts(), 1..40)) {
        let mut world = World::new(Conditions::GOOD, 7);
        world.join();
        world.join();
        world.run(Duration::from_millis(150));
        for act in script {
            perform(&mut world, act);
        }
        let room = world.room;
        world.tell(&SfuRequest::Close { room }).expect("closing works");
        world.clients.clear();
        world.run(Duration::from_millis(10));
        prop_assert!(world.core.is_vacant());
    }
}

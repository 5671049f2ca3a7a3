//! Calls of two and three, well and badly connected.

use std::time::Duration;

use housecall_protocol::cluster::{SfuEvent, SfuRequest};
use housecall_protocol::domain::{MediaState, TrackSource};
use housecall_protocol::media::ParticipantRole;
use str0m::media::Direction;
use str0m::rtp::RtpPacket;

use crate::client::Media;
use crate::network::Conditions;
use crate::world::{ALL, World, vp8};

const SECOND: Duration = Duration::from_secs(1);

/// The numbers that `talk` put at the end of each payload, in order of sequence.
fn numbers(mut packets: Vec<RtpPacket>) -> Vec<u32> {
    packets.sort_by_key(|packet| packet.seq_no);
    let number = |packet: &RtpPacket| {
        let tail = packet.payload.last_chunk::<4>().expect("four bytes at least");
        u32::from_be_bytes(*tail)
    };
    packets.iter().map(number).collect()
}

fn ascending(numbers: &[u32]) -> bool {
    numbers.windows(2).all(|pair| pair[0] < pair[1])
}

#[test]
pub(crate) fn two_hear_and_see_each_other_in_order() {
    let mut world = World::connected(Conditions::GOOD, 1, 2);
    world.set_forwarding(true);
    let sent = world.talk(0, SECOND);
    world.run(SECOND);

    let (audio, camera) = (world.clients[1].audio, world.clients[1].camera);
    let heard = numbers(world.clients[1].take_received(audio));
    assert_eq!(heard, (0..sent).collect::<Vec<_>>());
    let seen = numbers(world.clients[1].take_received(camera));
    assert!(ascending(&seen));
    assert!(seen.len() as u32 >= sent - 3, "{} of {sent}", seen.len());
    assert!(world.clients[0].received.is_empty(), "nobody hears themselves");
    let listener = world.clients[1].person;
    assert!(world.events.contains(&SfuEvent::Flowing { participant: listener }));
}

#[test]
pub(crate) fn join_times_are_reported() {
    let world = World::connected(Conditions::GOOD, 2, 2);
    let times: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            SfuEvent::Connected { ice_ms, dtls_ms, .. } => Some((*ice_ms, *dtls_ms)),
            _ => None,
        })
        .collect();
    assert_eq!(times.len(), 2);
    // A round trip is 10 ms, and both ICE and DTLS need one at least.
    assert!(times.iter().all(|(ice, dtls)| *ice >= 10 && *dtls >= *ice + 10), "{times:?}");
    assert!(times.iter().all(|(_, dtls)| *dtls < 500), "{times:?}");
}

#[test]
pub(crate) fn nothing_flows_before_forwarding_is_on() {
    let mut world = World::connected(Conditions::GOOD, 3, 2);
    world.talk(0, SECOND);
    world.run(SECOND);
    assert!(world.clients[1].received.is_empty());
    assert!(!world.events.iter().any(|event| matches!(event, SfuEvent::Flowing { .. })));

    world.set_forwarding(true);
    world.talk(0, SECOND);
    world.run(SECOND);
    let camera = world.clients[1].camera;
    let seen = world.clients[1].take_received(camera);
    assert_eq!(seen[0].payload[1], 0, "the first packet is a keyframe's");

    world.set_forwarding(false);
    world.run(SECOND);
    world.clients[1].received.clear();
    world.talk(0, SECOND);
    world.run(SECOND);
    assert!(world.clients[1].received.is_empty());
}

#[test]
pub(crate) fn a_keyframe_is_asked_for_at_once_and_not_too_often() {
    let mut world = World::connected(Conditions::GOOD, 4, 2);
    world.send(0, Media::Camera, &vp8(false, 0));
    world.run(SECOND);
    world.set_forwarding(true);
    let start = world.now;
    world.run(Duration::from_millis(1500));

    // The client never answers with a keyframe, so the wish is repeated, patiently.
    let asked: Vec<_> = world.clients[0]
        .keyframe_requests
        .iter()
        .map(|(at, _)| at.duration_since(start).as_millis())
        .collect();
    assert!(asked[0] <= 10, "{asked:?}");
    assert!((4..=7).contains(&asked.len()), "{asked:?}");

    world.send(0, Media::Camera, &vp8(true, 1));
    world.run(SECOND);
    world.clients[0].keyframe_requests.clear();
    world.run(5 * SECOND);
    assert!(world.clients[0].keyframe_requests.is_empty());

    // A decoder in trouble may ask a hundred times a second; the publisher is asked four times.
    let camera = world.clients[1].camera;
    for _ in 0..100 {
        let now = world.now;
        world.clients[1].request_keyframe(now, camera);
        world.run(Duration::from_millis(10));
    }
    let asked = world.clients[0].keyframe_requests.len();
    assert!((1..=5).contains(&asked), "{asked}");
}

#[test]
pub(crate) fn muted_sources_are_dropped_and_resume_without_a_seam() {
    let mut world = World::connected(Conditions::GOOD, 5, 2);
    world.set_forwarding(true);
    world.talk(0, SECOND);
    world.set_media(0, MediaState { microphone: false, camera: false, screen: false });
    world.run(SECOND);
    let before: Vec<_> = std::mem::take(&mut world.clients[1].received);
    world.talk(0, SECOND);
    world.run(SECOND);
    assert!(world.clients[1].received.is_empty());

    world.set_media(0, ALL);
    let asked_at = world.now;
    world.run(Duration::from_millis(20));
    let (at, _) = world.clients[0].keyframe_requests[0];
    assert!(at.duration_since(asked_at) <= Duration::from_millis(10));
    world.talk(0, SECOND);
    world.run(SECOND);

    let after: Vec<_> = std::mem::take(&mut world.clients[1].received);
    for ssrc in before.iter().map(|packet| packet.header.ssrc) {
        let of = |packets: &[RtpPacket]| -> Vec<u64> {
            packets
                .iter()
                .filter(|packet| packet.header.ssrc == ssrc)
                .map(|packet| *packet.seq_no)
                .collect()
        };
        let last = of(&before).into_iter().max().expect("it sent before");
        assert_eq!(of(&after).first(), Some(&(last + 1)));
    }
}

#[test]
pub(crate) fn a_late_joiner_can_decrypt_a_long_stream() {
    let mut world = World::connected(Conditions::GOOD, 6, 2);
    world.set_forwarding(true);
    // 70,000 packets, as after 23 minutes of audio. The media itself is not needed:
    // the sender jumps in steps that the relay's replay window follows.
    for step in 1..=8_u64 {
        world.clients[0].skip_to(Media::Audio, step * 9_000);
        world.send(0, Media::Audio, &[0; 4]);
        world.run(Duration::from_millis(20));
    }
    let late = world.join();
    world.until("the late one is connected", |world| world.clients[late].connected);
    world.run(SECOND);
    world.clients[late].received.clear();
    let sent = world.talk(0, SECOND);
    world.run(SECOND);

    let audio = world.clients[late].audio;
    let packets = world.clients[late].take_received(audio);
    assert!(packets.iter().all(|packet| packet.seq_no.roc() == 0));
    assert_eq!(numbers(packets), (0..sent).collect::<Vec<_>>());
}

#[test]
pub(crate) fn a_stream_passes_its_own_rollover() {
    let mut world = World::connected(Conditions::GOOD, 7, 2);
    world.set_forwarding(true);
    let audio = world.clients[1].audio;
    let mut heard = 0;
    for number in 0..70_000_u32 {
        world.send(0, Media::Audio, &number.to_be_bytes());
        // As many as a participant may send.
        if number % 4 == 0 {
            world.step();
        }
        heard += world.clients[1].take_received(audio).len();
    }
    world.run(SECOND);
    heard += world.clients[1].take_received(audio).len();
    assert_eq!(heard, 70_000);
}

#[test]
pub(crate) fn media_goes_on_over_an_ice_restart() {
    let mut world = World::connected(Conditions::GOOD, 8, 2);
    world.set_forwarding(true);
    world.talk(0, SECOND);
    world.run(SECOND);
    world.clients[1].received.clear();

    for client in [0, 1] {
        let now = world.now;
        let offer = world.clients[client].offer_restart(now, None);
        world.offer(client, offer);
    }
    let sent = world.talk(0, 2 * SECOND);
    world.run(SECOND);
    let audio = world.clients[1].audio;
    let heard = numbers(world.clients[1].take_received(audio));
    assert_eq!(heard.len() as u32, sent, "not a packet is lost over a restart");
    assert!(!world.events.iter().any(|event| matches!(event, SfuEvent::Disconnected { .. })));
}

#[test]
pub(crate) fn a_changed_address_is_followed() {
    let mut world = World::connected(Conditions::GOOD, 9, 2);
    world.set_forwarding(true);
    world.talk(0, SECOND);

    let address = world.fresh_address();
    let now = world.now;
    let offer = world.clients[1].offer_restart(now, Some(address));
    world.offer(1, offer);
    world.clients[1].add_candidate(now);
    world.run(SECOND);
    world.clients[1].received.clear();
    let sent = world.talk(0, SECOND);
    world.run(SECOND);
    let audio = world.clients[1].audio;
    assert_eq!(world.clients[1].take_received(audio).len() as u32, sent);

    let before = world.core.counters().forwarded_packets;
    world.talk(1, SECOND);
    world.run(SECOND);
    assert!(world.core.counters().forwarded_packets >= before + 90);
}

#[test]
pub(crate) fn loss_is_repaired_and_reported() {
    let conditions = Conditions {
        delay: Duration::from_millis(30),
        jitter: Duration::from_millis(10),
        loss_permille: 50,
    };
    let mut world = World::connected(conditions, 10, 2);
    world.set_forwarding(true);
    let sent = world.talk(0, 10 * SECOND);
    world.run(2 * SECOND);

    let camera = world.clients[1].camera;
    let seen = numbers(world.clients[1].take_received(camera));
    assert!(ascending(&seen));
    // What was sent before the first keyframe is held back on purpose.
    let repaired = seen.len() as f64 / f64::from(sent - seen[0]);
    assert!(repaired > 0.98, "video is repaired by retransmission: {repaired}");
    let reports: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            SfuEvent::Quality { quality, .. } => Some(quality.clone()),
            _ => None,
        })
        .collect();
    assert!(reports.len() >= 6, "{reports:?}");
    assert!(reports.iter().any(|report| report.loss_up > 0.005), "{reports:?}");
    assert!(reports.iter().any(|report| report.loss_down > 0.005), "{reports:?}");
    let rtt = reports.iter().filter_map(|report| report.rtt_ms).fold(0.0, f32::max);
    assert!((50.0..300.0).contains(&rtt), "{reports:?}");
}

#[test]
pub(crate) fn a_shared_screen_is_negotiated_when_slots_are_short() {
    let mut world = World::connected(Conditions::GOOD, 11, 2);
    world.set_forwarding(true);
    world.set_media(0, MediaState { screen: false, ..ALL });
    world.set_media(1, MediaState { screen: false, ..ALL });
    let viewer = world.clients[1].person;

    let now = world.now;
    let (mid, offer) = world.clients[0].offer_video(now, Direction::SendOnly);
    world.clients[0].screen = Some(mid);
    world.offer(0, offer);
    world.run(SECOND);
    let needed = SfuEvent::OfferNeeded { participant: viewer, audio_slots: 1, video_slots: 2 };
    assert!(!world.events.contains(&needed), "not shared yet");
    world.set_media(0, ALL);
    world.run(SECOND);
    assert_eq!(world.events.iter().filter(|event| **event == needed).count(), 1);

    let now = world.now;
    let (slot, offer) = world.clients[1].offer_video(now, Direction::RecvOnly);
    world.offer(1, offer);
    world.run(Duration::from_millis(100));
    assert_eq!(world.slot(1, 0, TrackSource::Screen), Some(slot));
    assert_eq!(world.slot(1, 0, TrackSource::Camera), Some(world.clients[1].camera));

    for number in 0..20 {
        world.send(0, Media::Screen, &vp8(number == 0, number));
        world.run(Duration::from_millis(50));
    }
    world.run(SECOND);
    let seen = numbers(world.clients[1].take_received(slot));
    assert_eq!(seen, (0..20).collect::<Vec<_>>());

    world.set_media(0, MediaState { screen: false, ..ALL });
    world.run(SECOND);
    assert_eq!(world.slot(1, 0, TrackSource::Screen), None);
    assert_eq!(world.slot(1, 0, TrackSource::Camera), Some(world.clients[1].camera));
}

#[test]
pub(crate) fn three_see_each_other_once_they_have_slots() {
    let mut world = World::connected(Conditions::GOOD, 12, 3);
    world.set_forwarding(true);
    for client in 0..3 {
        world.set_media(client, MediaState { screen: false, ..ALL });
    }
    world.run(SECOND);
    for client in 0..3 {
        let needed = SfuEvent::OfferNeeded {
            participant: world.clients[client].person,
            audio_slots: 2,
            video_slots: 2,
        };
        assert!(world.events.contains(&needed));
        let now = world.now;
        let (_, offer) = world.clients[client].offer_video(now, Direction::RecvOnly);
        world.offer(client, offer);
    }
    world.run(SECOND);
    let sent = world.talk(2, SECOND);
    world.run(SECOND);
    for viewer in 0..2 {
        let slot = world.slot(viewer, 2, TrackSource::Camera).expect("two cameras, two slots");
        let seen = numbers(world.clients[viewer].take_received(slot));
        assert!(ascending(&seen));
        assert!(seen.len() as u32 >= sent - 3, "{} of {sent}", seen.len());
    }

    // The one who leaves makes room for the others' tracks.
    world.leave(2);
    world.run(SECOND);
    assert!(world.slot(0, 1, TrackSource::Camera).is_some());
    let gone = world.slots_of(world.clients[0].person);
    assert_eq!(gone.iter().filter(|slot| slot.person.is_some()).count(), 2);
}

#[test]
fn leaving_and_rejoining_leaves_nothing_behind() {
    let mut world = World::connected(Conditions::GOOD, 13, 1);
    world.set_forwarding(true);
    for _ in 0..200 {
        let client = world.join();
        world.until("the client is connected", |world| world.clients[client].connected);
        world.send(client, Media::Audio, &[0; 4]);
        world.run(Duration::from_millis(20));
        world.leave(client);
    }
    assert_eq!(world.core.participants(), 1);
    assert!(world.core.counters().forwarded_packets >= 200);
    world.leave(0);
    world.run(Duration::from_millis(10));
    assert_eq!(world.core.rooms(), 1, "both may come back to the call");
    world.run(61 * SECOND);
    assert!(world.core.is_vacant());
    assert_eq!(world.events.last(), Some(&SfuEvent::RoomClosed));
}

#[test]
pub(crate) fn a_rejoin_replaces_the_earlier_session_and_keeps_the_room_forwarding() {
    let mut world = World::connected(Conditions::GOOD, 14, 2);
    world.set_forwarding(true);
    let address = world.fresh_address();
    let (mut again, offer) = crate::client::Client::new(world.now, address);
    again.person = world.clients[1].person;
    let request = SfuRequest::Join {
        room: world.room,
        participant: again.person,
        sdp: offer,
        role: ParticipantRole::Member,
    };
    let answer = world.ask(&request);
    again.accept_answer(world.now, &answer);
    world.clients[1] = again;
    world.until("connected again", |world| world.clients[1].connected);
    assert_eq!(world.participants(), 2);

    world.run(Duration::from_millis(100));
    let sent = world.talk(0, SECOND);
    world.run(SECOND);
    let audio = world.clients[1].audio;
    assert_eq!(world.clients[1].take_received(audio).len() as u32, sent);
}

#[test]
pub(crate) fn those_who_never_connect_or_stay_away_are_gone() {
    let mut world = World::connected(Conditions::GOOD, 15, 2);
    let silent = world.join();
    let silent = world.clients.remove(silent).person;
    world.run(31 * SECOND);
    assert!(world.events.contains(&SfuEvent::Gone { participant: silent }));

    let lost = world.clients.remove(1).person;
    world.run(20 * SECOND);
    assert!(world.events.contains(&SfuEvent::Disconnected { participant: lost }));
    assert!(!world.events.contains(&SfuEvent::Gone { participant: lost }));
    world.run(30 * SECOND);
    assert!(world.events.contains(&SfuEvent::Gone { participant: lost }));
    assert_eq!(world.core.participants(), 1);
}

#[test]
fn closing_a_room_tells_its_participants() {
    let mut world = World::connected(Conditions::GOOD, 16, 2);
    let room = world.room;
    world.tell(&SfuRequest::Close { room }).expect("closing works");
    world.run(SECOND);
    assert!(world.clients.iter().all(|client| client.closed));
    assert!(world.core.is_vacant());
    assert_eq!(world.events.last(), Some(&SfuEvent::RoomClosed));
}

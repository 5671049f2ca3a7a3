//! What the house and the watchers say about media: who may send, who only
//! listens, and what is off the screen.

use std::time::Duration;

use housecall_protocol::cluster::SfuRequest;
use housecall_protocol::domain::{MediaState, TrackSource};
use housecall_protocol::media::{ParticipantRole, SlotPause, Tile};

use crate::client::Media;
use crate::network::Conditions;
use crate::world::{ALL, World, vp8};

const SECOND: Duration = Duration::from_secs(1);

fn heard(world: &mut World, client: usize) -> usize {
    std::mem::take(&mut world.clients[client].received).len()
}

#[test]
pub(crate) fn what_is_not_allowed_is_dropped_whatever_its_sender_says() {
    let mut world = World::connected(Conditions::GOOD, 31, 2);
    world.set_forwarding(true);
    world.talk(0, SECOND);
    assert!(heard(&mut world, 1) > 0);
    let (room, participant) = (world.room, world.clients[0].person);
    let allow = |allowed| SfuRequest::SetAllowed { room, participant, allowed };

    world.tell(&allow(MediaState::default())).expect("the participant is there");
    world.set_media(0, ALL);
    world.run(SECOND);
    heard(&mut world, 1);
    world.talk(0, SECOND);
    assert_eq!(heard(&mut world, 1), 0);

    world.tell(&allow(MediaState::ALL)).expect("the participant is there");
    world.talk(0, SECOND);
    assert!(heard(&mut world, 1) > 0);
}

#[test]
pub(crate) fn a_listener_hears_and_is_not_heard() {
    let mut world = World::connected(Conditions::GOOD, 32, 1);
    let listener = world.join_as(ParticipantRole::Hidden);
    world.until("the listener is connected", |world| world.clients[listener].connected);
    world.set_forwarding(true);
    world.talk(0, SECOND);
    world.run(SECOND);
    assert!(heard(&mut world, listener) > 0);
    world.talk(listener, SECOND);
    world.run(SECOND);
    assert_eq!(heard(&mut world, 0), 0);
    assert_eq!(world.slot(0, listener, TrackSource::Microphone), None);
}

#[test]
pub(crate) fn what_is_off_the_screen_is_not_sent_and_comes_back_with_a_keyframe() {
    let mut world = World::connected(Conditions::GOOD, 33, 2);
    world.set_forwarding(true);
    world.talk(0, SECOND);
    let slot = world.slot(1, 0, TrackSource::Camera).expect("a slot carries the camera");
    let (room, participant) = (world.room, world.clients[1].person);
    let show = |width, height| {
        let tiles = vec![Tile { mid: slot.to_string(), width, height }];
        SfuRequest::SetTiles { room, participant, tiles }
    };

    world.tell(&show(0, 0)).expect("the participant is there");
    world.run(SECOND);
    heard(&mut world, 1);
    let sent = world.talk(0, SECOND) as usize;
    world.run(SECOND);
    let audio = heard(&mut world, 1);
    assert!((sent - 1..=sent).contains(&audio), "{audio} of {sent} voices, and no picture");
    let paused = world.slots_of(participant);
    assert!(paused.iter().any(|one| *slot == *one.mid && one.pause == Some(SlotPause::OffScreen)));

    world.clients[0].keyframe_requests.clear();
    world.tell(&show(320, 180)).expect("the participant is there");
    world.run(SECOND);
    assert!(!world.clients[0].keyframe_requests.is_empty());
    world.send(0, Media::Camera, &vp8(true, 1));
    world.run(SECOND);
    assert_eq!(heard(&mut world, 1), 1);
    assert!(world.slots_of(participant).iter().all(|one| one.pause.is_none()));
}

//! Rooms that live at several cores: whatever holds in one core holds for people at
//! different ones, and what only several cores have.

use std::time::Duration;

use housecall_protocol::cluster::{SfuEvent, SfuRequest};
use housecall_protocol::domain::{MediaState, TrackSource};
use housecall_protocol::media::{MediaFault, ParticipantRole};
use housecall_sfu_core::RelayId;
use proptest::prelude::*;

use crate::client::{Client, Media, Offering};
use crate::network::Conditions;
use crate::world::{ALL, World, spread_over, vp8};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than an empty room is kept.
const LINGER: Duration = Duration::from_secs(61);

/// Runs tests of rooms at one core once more, with everybody at another core than who came
/// before.
macro_rules! spread {
    ($($module:ident: $($test:ident),+;)+) => {
        $(mod $module {
            $(#[test]
            fn $test() {
                super::spread_over(2, crate::$module::$test);
                super::spread_over(3, crate::$module::$test);
            })+
        })+
    };
}

spread! {
    calls: two_hear_and_see_each_other_in_order, join_times_are_reported,
        nothing_flows_before_forwarding_is_on,
        a_keyframe_is_asked_for_at_once_and_not_too_often,
        muted_sources_are_dropped_and_resume_without_a_seam,
        a_late_joiner_can_decrypt_a_long_stream, a_stream_passes_its_own_rollover,
        media_goes_on_over_an_ice_restart, loss_is_repaired_and_reported,
        a_shared_screen_is_negotiated_when_slots_are_short,
        three_see_each_other_once_they_have_slots,
        a_rejoin_replaces_the_earlier_session_and_keeps_the_room_forwarding,
        those_who_never_connect_or_stay_away_are_gone;
    layers: each_viewer_gets_the_layer_their_link_carries,
        a_link_that_gets_worse_and_better_is_followed_without_a_freeze,
        a_small_tile_gets_a_small_picture_and_one_off_the_screen_none,
        layers_that_nobody_watches_are_not_sent_and_come_back_at_once,
        a_layer_that_the_publisher_gives_up_is_replaced_by_a_lower_one,
        who_sends_one_layer_only_is_paused_where_it_does_not_fit_and_resumed_where_it_does,
        an_unsteady_link_does_not_make_the_picture_flap;
    speech: the_room_is_told_who_speaks_and_when_nobody_does,
        a_muted_voice_is_silent_at_once_and_one_that_may_not_speak_is_not_heard_of,
        ten_speak_and_the_three_that_matter_are_heard,
        more_audio_slots_are_asked_for_where_they_are_short,
        redundant_audio_goes_to_those_who_take_it_and_its_newest_frame_to_the_others,
        who_loses_many_packets_of_audio_gets_each_frame_twice;
    wishes: what_is_not_allowed_is_dropped_whatever_its_sender_says,
        a_listener_hears_and_is_not_heard,
        what_is_off_the_screen_is_not_sent_and_comes_back_with_a_keyframe;
}

/// Those who hear somebody who says something now.
fn hearers(world: &mut World, speaker: usize) -> Vec<usize> {
    world.clients.iter_mut().for_each(|client| client.received.clear());
    for number in 0..10_u32 {
        world.send(speaker, Media::Audio, &number.to_be_bytes());
        world.run(Duration::from_millis(20));
    }
    world.run(Duration::from_millis(100));
    let heard = |client: &Client| client.received.len() >= 9;
    (0..world.clients.len()).filter(|index| heard(&world.clients[*index])).collect()
}

#[test]
fn a_packet_crosses_once_however_many_get_it() {
    spread_over(2, || {
        let mut world = World::connected(Conditions::GOOD, 81, 8);
        world.set_forwarding(true);
        world.run(SECOND);
        let sent = world.talk(0, SECOND);
        world.run(SECOND);
        // Four are where they do not speak, and have a slot for their voice and face each.
        assert_eq!(world.core.counters().relayed_packets, u64::from(2 * sent));
        let forwarded = world.branches[0].counters().forwarded_packets;
        assert!(forwarded > u64::from(7 * sent), "{forwarded} of {sent}");
        assert_eq!(world.branches[0].counters().relayed_packets, 0);
    });
}

#[test]
fn what_nobody_there_can_see_does_not_cross() {
    spread_over(2, || {
        let mut world = World::connected(Conditions::GOOD, 82, 4);
        world.set_forwarding(true);
        world.talk(0, SECOND);
        // The other core's two see each other's faces, one slot each, once they spoke last.
        for index in [1, 3] {
            let now = world.now;
            for frame in 0..100_u32 {
                world.clients[index].speak(now + Duration::from_millis(u64::from(frame)), 20);
                world.run(Duration::from_millis(20));
            }
        }
        world.run(SECOND);
        assert_eq!(world.slot(1, 3, TrackSource::Camera), Some(world.clients[1].camera));
        assert_eq!(world.slot(3, 1, TrackSource::Camera), Some(world.clients[3].camera));
        let before = world.core.counters().relayed_packets;
        for number in 0..50 {
            world.send(0, Media::Camera, &vp8(number == 0, number));
            world.run(Duration::from_millis(20));
        }
        assert_eq!(world.core.counters().relayed_packets, before);
    });
}

#[test]
fn a_branch_ends_when_it_is_empty_and_begins_anew() {
    spread_over(2, || {
        let mut world = World::connected(Conditions::GOOD, 83, 2);
        world.set_forwarding(true);
        world.leave(1);
        world.run(LINGER);
        assert_eq!(world.events.iter().filter(|it| **it == SfuEvent::RoomClosed).count(), 1);
        assert!(world.branches[0].is_vacant());
        let relayed = world.core.counters().relayed_packets;
        world.talk(0, SECOND);
        assert_eq!(world.core.counters().relayed_packets, relayed, "nobody is there");

        world.join_at(1);
        world.until("they are back", |world| world.clients[1].connected);
        world.run(SECOND);
        assert_eq!(hearers(&mut world, 0), [1]);
        assert_eq!(hearers(&mut world, 1), [0]);

        world.leave(1);
        world.leave(0);
        world.run(LINGER + SECOND);
        assert!(world.core.is_vacant() && world.branches[0].is_vacant());
        assert_eq!(world.events.iter().filter(|it| **it == SfuEvent::RoomClosed).count(), 3);
    });
}

#[test]
fn closing_the_room_at_its_home_leaves_its_branches_without_it() {
    spread_over(2, || {
        let mut world = World::connected(Conditions::GOOD, 84, 2);
        world.set_forwarding(true);
        let room = world.room;
        world.tell(&SfuRequest::Close { room }).expect("it exists");
        world.run(SECOND);
        assert!(world.core.is_vacant());
        world.clients[1].received.clear();
        assert_eq!(world.branches[0].participants(), 1, "the shell closes it there");
        let now = world.now;
        world.branches[0].request(now, &SfuRequest::Close { room }).expect("it exists");
        world.run(SECOND);
        assert!(world.branches[0].is_vacant() && world.clients[1].closed);
    });
}

#[test]
fn somebody_may_go_from_one_core_to_another() {
    spread_over(2, || {
        let mut world = World::new(Conditions::GOOD, 85);
        let offering = Offering { more_audio: 1, ..Offering::PLAIN };
        (0..3).for_each(|core| {
            world.join_at_with(core % 2, offering);
        });
        world.until("all are connected", |world| world.connected_events() == 3);
        world.set_forwarding(true);
        let room = world.room;
        let address = world.fresh_address();
        let (mut again, offer) = Client::offering(world.now, address, offering);
        again.person = world.clients[1].person;
        world.seat(again.person, 0);
        let role = ParticipantRole::Member;
        let request = SfuRequest::Join { room, participant: again.person, sdp: offer, role };
        let answer = world.ask(&request);
        again.accept_answer(world.now, &answer);
        let earlier = std::mem::replace(&mut world.clients[1], again);
        let left = SfuRequest::Leave { room, participant: earlier.person };
        let now = world.now;
        world.branches[0].request(now, &left).expect("leaving always works");
        world.until("connected again", |world| world.clients[1].connected);
        world.run(SECOND);
        assert_eq!((world.core.participants(), world.branches[0].participants()), (3, 0));
        assert_eq!(hearers(&mut world, 1), [0, 2]);
    });
}

#[test]
fn a_face_that_never_comes_is_missed_though_only_another_core_watches() {
    spread_over(2, || {
        let mut world = World::connected(Conditions::GOOD, 86, 2);
        world.set_media(0, ALL);
        world.set_forwarding(true);
        for number in 0..750_u32 {
            world.send(0, Media::Audio, &number.to_be_bytes());
            world.run(Duration::from_millis(20));
        }
        let missed = |event: &&SfuEvent| {
            let camera = TrackSource::Camera;
            matches!(event, SfuEvent::StuckMedia { source, over: false, .. } if *source == camera)
        };
        let found: Vec<_> = world.events.iter().filter(missed).collect();
        let [SfuEvent::StuckMedia { participant, fault, .. }] = found[..] else {
            panic!("{found:?}");
        };
        assert_eq!((*participant, *fault), (world.clients[0].person, MediaFault::NotArriving));
    });
}

/// What happens to a room.
#[derive(Clone, Debug)]
enum Act {
    Join {
        core: usize,
    },
    Leave {
        who: usize,
    },
    Mute {
        who: usize,
        on: bool,
    },
    Forward {
        on: bool,
    },
    /// Whatever is told but packets is lost from now on, or is not.
    Lose {
        on: bool,
    },
    Wait {
        ms: u64,
    },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..3_usize).prop_map(|core| Act::Join { core }),
        2 => (0..8_usize).prop_map(|who| Act::Leave { who }),
        3 => (0..8_usize, any::<bool>()).prop_map(|(who, on)| Act::Mute { who, on }),
        1 => any::<bool>().prop_map(|on| Act::Forward { on }),
        2 => any::<bool>().prop_map(|on| Act::Lose { on }),
        3 => (0..300_u64).prop_map(|ms| Act::Wait { ms }),
    ]
}

impl Act {
    fn happen(&self, world: &mut World, open: &mut Vec<bool>) {
        let people = world.clients.len();
        match *self {
            Self::Join { core } if people < 6 => {
                let offering = Offering { more_audio: 5, ..Offering::PLAIN };
                world.join_at_with(core, offering);
                open.push(true);
            }
            // The first one holds the room open.
            Self::Leave { who } if who > 0 && who < people => {
                world.leave(who);
                open.remove(who);
            }
            Self::Mute { who, on } if who < people => {
                world.set_media(who, MediaState { microphone: on, ..ALL });
                open[who] = on;
            }
            Self::Forward { on } => world.set_forwarding(on),
            Self::Lose { on: true } => world.lose = |message| !message.is_media(),
            Self::Lose { on: false } => world.lose = |_| false,
            Self::Wait { ms } => world.run(Duration::from_millis(ms)),
            Self::Join { .. } | Self::Leave { .. } | Self::Mute { .. } => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Whatever happens, and whatever the cores failed to hear of each other: once it was
    /// said again, everybody hears who is not muted, wherever they joined.
    #[test]
    fn cores_agree_after_losses(acts in prop::collection::vec(act(), 1..40), seed in 1..1_000_u64) {
        spread_over(3, || {
            let mut world = World::new(Conditions::GOOD, seed);
            let mut open = Vec::new();
            Act::Join { core: 0 }.happen(&mut world, &mut open);
            acts.iter().for_each(|act| act.happen(&mut world, &mut open));
            world.lose = |_| false;
            let now = world.now;
            for core in 0..3 {
                world.link(core);
                for other in (0..3).filter(|other| *other != core) {
                    let room = world.room;
                    world.core_at(core).repeat_to(now, RelayId(other), room);
                }
            }
            world.set_forwarding(true);
            world.until("all are connected", |world| {
                world.clients.iter().all(|client| client.connected)
            });
            world.run(SECOND);
            for (speaker, open) in open.iter().enumerate() {
                let others = (0..world.clients.len()).filter(|it| *it != speaker && *open);
                let expected: Vec<_> = others.collect();
                assert_eq!(hearers(&mut world, speaker), expected, "of {speaker}");
            }
        });
    }
}

//! Voices: who is said to speak, and who is heard when there are more microphones than
//! audio slots.

use std::time::Duration;

use housecall_protocol::cluster::SfuEvent;
use housecall_protocol::domain::{MediaSlot, MediaState, TrackSource};
use housecall_protocol::media::{ParticipantRole, Speaker};

use crate::client::Offering;
use crate::link::{Loss, Path};
use crate::network::{Conditions, End};
use crate::world::{ALL, World};

const SECOND: Duration = Duration::from_secs(1);
/// Levels of a voice and of a quiet room, dB below the loudest.
const VOICE: i8 = 28;
const ROOM: i8 = 66;

/// A room of people with microphones and three audio slots each.
struct Meeting {
    world: World,
    /// Packets each sent, and whether they speak in them.
    frame: u64,
}

impl Meeting {
    fn new(seed: u64, people: usize, slots: usize) -> Self {
        let mut world = World::new(Conditions::GOOD, seed);
        let offering = Offering { more_audio: slots - 1, ..Offering::PLAIN };
        for _ in 0..people {
            world.join_with(ParticipantRole::Member, offering);
        }
        world.until("all are connected", |world| world.connected_events() == people);
        world.set_forwarding(true);
        let mut meeting = Self { world, frame: 0 };
        meeting.run(SECOND, &[]);
        meeting
    }

    /// Lets time pass in which these speak, in words, and the others are quiet.
    fn run(&mut self, duration: Duration, speakers: &[usize]) {
        let end = self.world.now + duration;
        while self.world.now < end {
            let now = self.world.now;
            let in_word = self.frame % 19 < 15;
            for (index, client) in self.world.clients.iter_mut().enumerate() {
                let level = if speakers.contains(&index) && in_word { VOICE } else { ROOM };
                client.speak(now, level);
            }
            self.frame += 1;
            self.world.run(Duration::from_millis(20));
        }
    }

    /// Whose microphones are in the slots of somebody.
    fn heard_by(&self, listener: usize) -> Vec<usize> {
        let slots = self.world.slots_of(self.world.clients[listener].person);
        let mut heard: Vec<_> = slots
            .iter()
            .filter(|slot| slot.source == Some(TrackSource::Microphone))
            .filter_map(|slot| {
                self.world.clients.iter().position(|client| Some(client.person) == slot.person)
            })
            .collect();
        heard.sort_unstable();
        heard
    }

    fn speakers(&self) -> Vec<usize> {
        let last = self.world.events.iter().rev().find_map(|event| match event {
            SfuEvent::Speakers { speakers } => Some(speakers.clone()),
            _ => None,
        });
        last.unwrap_or_default().iter().map(|speaker| self.index(speaker)).collect()
    }

    fn index(&self, speaker: &Speaker) -> usize {
        let mut clients = self.world.clients.iter();
        clients.position(|client| client.person == speaker.person).expect("they are in the room")
    }

    fn reports(&self) -> usize {
        let is_report = |event: &&SfuEvent| matches!(event, SfuEvent::Speakers { .. });
        self.world.events.iter().filter(is_report).count()
    }

    /// What is in everybody's audio slots, slot by slot.
    fn microphones(&self) -> Vec<MediaSlot> {
        let slots = self.world.clients.iter().flat_map(|it| self.world.slots_of(it.person));
        slots.filter(|slot| slot.source == Some(TrackSource::Microphone)).collect()
    }
}

#[test]
pub(crate) fn the_room_is_told_who_speaks_and_when_nobody_does() {
    let mut meeting = Meeting::new(71, 3, 2);
    assert_eq!(meeting.reports(), 0, "a quiet room is no news");
    meeting.run(SECOND, &[1]);
    assert_eq!(meeting.speakers(), [1]);
    meeting.run(3 * SECOND, &[1, 2]);
    assert_eq!(meeting.speakers()[0], 1, "the one who leads comes first");
    assert!(meeting.speakers().contains(&2));
    let before = meeting.reports();
    meeting.run(10 * SECOND, &[1, 2]);
    assert!(meeting.reports() - before <= 30, "{}", meeting.reports() - before);

    // They all fall silent, and their encoders send nothing any more.
    meeting.world.run(2 * SECOND);
    assert_eq!(meeting.speakers(), Vec::<usize>::new());
    let before = meeting.reports();
    meeting.world.run(20 * SECOND);
    assert_eq!(meeting.reports(), before);
}

#[test]
pub(crate) fn a_muted_voice_is_silent_at_once_and_one_that_may_not_speak_is_not_heard_of() {
    let mut meeting = Meeting::new(72, 2, 1);
    meeting.run(SECOND, &[0]);
    assert_eq!(meeting.speakers(), [0]);
    meeting.world.set_media(0, MediaState { microphone: false, ..ALL });
    meeting.run(SECOND, &[0]);
    assert_eq!(meeting.speakers(), Vec::<usize>::new());
    meeting.world.set_media(0, ALL);
    meeting.run(SECOND, &[0]);
    assert_eq!(meeting.speakers(), [0]);
    meeting.world.leave(0);
    meeting.run(2 * SECOND, &[]);
    assert_eq!(meeting.speakers(), Vec::<usize>::new());
}

#[test]
pub(crate) fn ten_speak_and_the_three_that_matter_are_heard() {
    let mut meeting = Meeting::new(73, 10, 3);
    assert_eq!(meeting.heard_by(9), [0, 1, 2]);
    for who in [7, 4, 8] {
        meeting.run(2 * SECOND, &[who]);
        for listener in 0..10 {
            let heard = meeting.heard_by(listener);
            assert_eq!(heard.len(), 3, "listener {listener}");
            assert!(listener == who || heard.contains(&who), "{listener} hears {heard:?}");
        }
    }
    // Those three go on in turn: nobody's slots change.
    assert_eq!(meeting.heard_by(0), [4, 7, 8]);
    let before = meeting.microphones();
    for turn in 0..6 {
        meeting.run(2 * SECOND, &[[7, 4, 8][turn % 3]]);
        assert_eq!(meeting.microphones(), before);
    }

    // All ten at once: three are heard, and the choice does not flap.
    meeting.run(2 * SECOND, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let before = meeting.microphones();
    for _ in 0..5 {
        meeting.run(SECOND, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(meeting.microphones(), before);
    }

    // What is in a slot is what comes out of it, without a seam.
    meeting.world.clients[0].received.clear();
    meeting.run(2 * SECOND, &[5]);
    let slot = meeting.world.slot(0, 5, TrackSource::Microphone).expect("they are heard");
    let packets = meeting.world.clients[0].take_received(slot);
    assert!(packets.len() >= 95, "{}", packets.len());
    let seqs: Vec<_> = packets.iter().map(|packet| *packet.seq_no).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1));
    let levels = packets.iter().rev().take(10).filter_map(|it| it.header.ext_vals.audio_level);
    assert_eq!(levels.max(), Some(-VOICE), "the level goes with it");
}

#[test]
pub(crate) fn more_audio_slots_are_asked_for_where_they_are_short() {
    let meeting = Meeting::new(74, 4, 1);
    let person = meeting.world.clients[0].person;
    let asked = meeting.world.events.iter().rev().find_map(|event| match event {
        SfuEvent::OfferNeeded { participant, audio_slots, .. } if *participant == person => {
            Some(*audio_slots)
        }
        _ => None,
    });
    assert_eq!(asked, Some(3));
}

/// Two who take redundant audio and one who does not.
fn with_redundancy(seed: u64, redundant: [bool; 3]) -> World {
    let mut world = World::new(Conditions::GOOD, seed);
    for redundancy in redundant {
        world.join_with(ParticipantRole::Member, Offering { redundancy, ..Offering::PLAIN });
    }
    world.until("all are connected", |world| world.connected_events() == 3);
    world.set_forwarding(true);
    world
}

#[test]
pub(crate) fn redundant_audio_goes_to_those_who_take_it_and_its_newest_frame_to_the_others() {
    let mut world = with_redundancy(75, [true, true, false]);
    assert!(
        world.clients[1].audio_types().1.is_some() && world.clients[2].audio_types().1.is_none()
    );
    for number in 0..50_u8 {
        let now = world.now;
        world.clients[0].say(now, &[number.wrapping_sub(1); 30], &[number; 40]);
        world.run(Duration::from_millis(20));
    }
    world.run(SECOND);
    let mut heard = |client: usize| {
        let slot = world.slot(client, 0, TrackSource::Microphone).expect("a slot");
        world.clients[client].take_received(slot)
    };
    let (with, without) = (heard(1), heard(2));
    assert_eq!((with.len(), without.len()), (50, 50));
    let (opus, red) = world.clients[1].audio_types();
    for (number, packet) in (0_u8..).zip(&with) {
        assert_eq!(Some(*packet.header.payload_type), red);
        assert_eq!((packet.payload[0], packet.payload[4]), (0x80 | opus, opus));
        assert_eq!(packet.payload[5..35], [number.wrapping_sub(1); 30]);
        assert_eq!(packet.payload[35..], [number; 40]);
    }
    for (number, packet) in (0_u8..).zip(&without) {
        assert_eq!(*packet.header.payload_type, world.clients[2].audio_types().0);
        assert_eq!(packet.payload[..], [number; 40]);
    }
}

#[test]
pub(crate) fn who_loses_many_packets_of_audio_gets_each_frame_twice() {
    let mut world = with_redundancy(76, [false, true, true]);
    let address = world.clients[1].address;
    let lossy = Path::good(Duration::from_millis(20)).loss(Loss::Random(0.1));
    world.network.set_link(End::To, address, lossy);
    let say = |world: &mut World, frames: u32| {
        for frame in 0..frames {
            let now = world.now;
            world.clients[0].say(now, &[], &frame.to_be_bytes());
            world.run(Duration::from_millis(20));
        }
    };
    say(&mut world, 1_500);
    for client in [1, 2] {
        world.clients[client].received.clear();
    }
    say(&mut world, 500);
    let heard = [1, 2].map(|client| {
        let slot = world.slot(client, 0, TrackSource::Microphone).expect("a slot");
        world.clients[client].take_received(slot)
    });
    let (opus, red) = world.clients[1].audio_types();
    let lossy = &heard[0];
    assert!((400..490).contains(&lossy.len()), "{}", lossy.len());
    let mut frames = std::collections::BTreeSet::new();
    for packet in lossy {
        assert_eq!(Some(*packet.header.payload_type), red);
        let newest = packet.payload.last_chunk::<4>().expect("a frame");
        frames.insert(u32::from_be_bytes(*newest));
        if packet.payload.len() == 13 {
            assert_eq!(packet.payload[..5], [0x80 | opus, 0x0f, 0, 4, opus]);
            let earlier = packet.payload[5..9].first_chunk::<4>().expect("a frame");
            frames.insert(u32::from_be_bytes(*earlier));
        }
    }
    // Of what is lost one in ten is lost twice.
    assert!(frames.len() >= 485, "{} frames of 500 in {} packets", frames.len(), lossy.len());
    // Who loses nothing gets what was sent.
    let plain = world.clients[2].audio_types().0;
    assert!(heard[1].iter().all(|packet| *packet.header.payload_type == plain));
}

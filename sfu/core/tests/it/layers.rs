//! Layers: who gets which, how they change, and which ones publishers need not send.

use std::cell::Cell;
use std::time::Duration;

use housecall_protocol::cluster::{SfuEvent, SfuRequest};
use housecall_protocol::domain::TrackSource;
use housecall_protocol::media::{ParticipantRole, SlotPause, Tile};
use housecall_sfu_core::RelayMessage;

use crate::camera::{Camera, Decoder};
use crate::client::Offering;
use crate::link::Path;
use crate::network::{Conditions, End};
use crate::world::{World, spread_over};

const SECOND: Duration = Duration::from_secs(1);
const DELAY: Duration = Duration::from_millis(20);
const SIMULCAST: Offering = Offering { simulcast: true, ..Offering::PLAIN };

/// One who films, and those who watch.
struct Show {
    world: World,
    camera: Camera,
    /// The publisher does what the relay says of layers.
    obeys: bool,
    decoders: Vec<Decoder>,
    /// What of the relay's word on layers was read.
    read: usize,
}

impl Show {
    fn new(seed: u64, viewers: usize) -> Self {
        Self::with(seed, viewers, SIMULCAST)
    }

    fn with(seed: u64, viewers: usize, offering: Offering) -> Self {
        let mut world = World::new(Conditions::GOOD, seed);
        world.join_with(ParticipantRole::Member, offering);
        for _ in 0..viewers {
            world.join();
        }
        world.until("all are connected", |world| world.connected_events() == viewers + 1);
        let camera = if offering.simulcast {
            Camera::simulcast(world.now)
        } else {
            Camera::plain(world.now, 1_200_000)
        };
        world.set_forwarding(true);
        let decoders = (0..viewers).map(|_| Decoder::default()).collect();
        Self { world, camera, obeys: true, decoders, read: 0 }
    }

    /// The speed of the way to a viewer.
    fn set_rate(&mut self, viewer: usize, bps: u64) {
        let address = self.world.clients[viewer + 1].address;
        self.world.network.set_link(End::To, address, Path::good(DELAY).rate(bps));
    }

    fn show_at(&mut self, viewer: usize, width: u16, height: u16) {
        let client = &self.world.clients[viewer + 1];
        let mid = client.camera.to_string();
        let (room, participant) = (self.world.room, client.person);
        let tiles = vec![Tile { mid, width, height }];
        self.world
            .tell(&SfuRequest::SetTiles { room, participant, tiles })
            .expect("they are there");
    }

    /// Lets time pass while the camera runs and its owner talks.
    fn run(&mut self, duration: Duration) {
        let end = self.world.now + duration;
        let mut ms = 0;
        while self.world.now < end {
            let now = self.world.now;
            let client = &mut self.world.clients[0];
            for rid in std::mem::take(&mut client.layers_asked) {
                self.camera.want_keyframe(Some(&rid));
            }
            if !std::mem::take(&mut client.keyframe_requests).is_empty() && !self.is_simulcast() {
                self.camera.want_keyframe(None);
            }
            let client = &mut self.world.clients[0];
            for shot in self.camera.shoot(now) {
                client.film(now, &shot);
            }
            if ms % 20 == 0 {
                client.speak(now, 30);
            }
            client.wake(now);
            self.world.step();
            self.obey();
            ms += 1;
            if ms % 300 == 0 {
                self.decode();
            }
        }
        self.decode();
    }

    fn is_simulcast(&self) -> bool {
        self.camera.is_simulcast()
    }

    fn obey(&mut self) {
        let publisher = self.world.clients[0].person;
        for event in &self.world.events[self.read..] {
            if let SfuEvent::LayersWanted { participant, source: TrackSource::Camera, rids } = event
                && *participant == publisher
                && self.obeys
            {
                self.camera.set_on(rids);
            }
        }
        self.read = self.world.events.len();
    }

    fn decode(&mut self) {
        for (client, decoder) in self.world.clients.iter_mut().skip(1).zip(&mut self.decoders) {
            let camera = client.camera;
            decoder.take(client.take_received(camera));
            if decoder.stuck() > 0 {
                client.request_keyframe(self.world.now, camera);
            }
        }
    }

    /// What the publisher was told of layers, in order.
    fn wishes(&self) -> Vec<String> {
        let publisher = self.world.clients[0].person;
        let wishes = self.world.events.iter().filter_map(|event| match event {
            SfuEvent::LayersWanted { participant, rids, .. } if *participant == publisher => {
                Some(rids.concat())
            }
            _ => None,
        });
        wishes.collect()
    }

    fn layers(&self) -> Vec<Option<u8>> {
        self.decoders.iter().map(Decoder::layer).collect()
    }

    fn heard(&mut self, viewer: usize) -> usize {
        let client = &mut self.world.clients[viewer + 1];
        let audio = client.audio;
        client.take_received(audio).len()
    }

    fn pause(&self, viewer: usize) -> Option<SlotPause> {
        let client = &self.world.clients[viewer + 1];
        let slots = self.world.slots_of(client.person);
        let slot = slots.iter().find(|slot| slot.mid == client.camera.to_string());
        slot.expect("the slot is announced").pause
    }
}

#[test]
pub(crate) fn each_viewer_gets_the_layer_their_link_carries() {
    let mut show = Show::new(51, 3);
    show.set_rate(0, 6_000_000);
    show.set_rate(1, 900_000);
    show.set_rate(2, 260_000);
    show.run(20 * SECOND);
    assert_eq!(show.layers(), [Some(2), Some(1), Some(0)]);
    for (viewer, decoder) in show.decoders.iter().enumerate() {
        assert!(decoder.stuck() < 20, "viewer {viewer}: {}", decoder.stuck());
        assert!(decoder.changes() <= 6, "viewer {viewer}: {}", decoder.changes());
    }
    // The voice came through to all of them, whatever became of the picture.
    for viewer in 0..3 {
        let heard = show.heard(viewer);
        assert!(heard >= 985, "viewer {viewer}: {heard}");
    }
    // One bad link lowers nobody else.
    assert!(show.decoders[0].pictures.iter().rev().take(300).all(|picture| picture.layer == 2));
}

#[test]
pub(crate) fn a_link_that_gets_worse_and_better_is_followed_without_a_freeze() {
    let mut show = Show::new(52, 1);
    show.set_rate(0, 5_000_000);
    show.run(12 * SECOND);
    assert_eq!(show.layers(), [Some(2)]);
    show.set_rate(0, 280_000);
    show.run(10 * SECOND);
    assert_eq!(show.layers(), [Some(0)]);
    let before = show.decoders[0].pictures.len();
    show.set_rate(0, 5_000_000);
    show.run(20 * SECOND);
    assert_eq!(show.layers(), [Some(2)]);
    assert!(show.decoders[0].changes() <= 8, "{}", show.decoders[0].changes());
    // Going up is seamless.
    let after = &show.decoders[0].pictures[before..];
    let gaps = after.windows(2).map(|pair| pair[1].at - pair[0].at);
    assert!(gaps.max() < Some(Duration::from_millis(400)));
    let heard = show.heard(0);
    assert!(heard >= 2_060, "{heard}");
}

#[test]
pub(crate) fn a_small_tile_gets_a_small_picture_and_one_off_the_screen_none() {
    let mut show = Show::new(53, 2);
    show.show_at(0, 1280, 720);
    show.show_at(1, 300, 170);
    show.run(6 * SECOND);
    assert_eq!(show.layers(), [Some(2), Some(0)]);

    show.show_at(0, 0, 0);
    show.run(SECOND);
    assert_eq!(show.pause(0), Some(SlotPause::OffScreen));
    let seen = show.decoders[0].pictures.len();
    show.heard(0);
    show.run(2 * SECOND);
    assert_eq!(show.decoders[0].pictures.len(), seen);
    assert!(show.heard(0) >= 98, "voices are not shown on screens");

    show.show_at(0, 600, 340);
    let asked_at = show.world.now;
    show.run(SECOND);
    let first = show.decoders[0].pictures[seen];
    assert!(
        first.key && first.at - asked_at < Duration::from_millis(150),
        "{:?}",
        first.at - asked_at
    );
    assert_eq!((show.layers()[0], show.pause(0)), (Some(1), None));
}

#[test]
pub(crate) fn layers_that_nobody_watches_are_not_sent_and_come_back_at_once() {
    let mut show = Show::new(54, 2);
    show.show_at(0, 300, 170);
    show.show_at(1, 300, 170);
    show.run(5 * SECOND);
    assert_eq!(show.layers(), [Some(0), Some(0)]);
    assert!(show.wishes().is_empty(), "not at once");
    show.run(10 * SECOND);
    assert_eq!(show.wishes().last().map(String::as_str), Some("q"));

    show.show_at(1, 1280, 720);
    let before = show.decoders[1].pictures.len();
    show.run(3 * SECOND);
    assert_eq!(show.wishes().last().map(String::as_str), Some("qf"));
    assert_eq!(show.layers(), [Some(0), Some(2)]);
    // The old layer went on until the new one was there.
    let seen = &show.decoders[1].pictures[before..];
    let gaps = seen.windows(2).map(|pair| pair[1].at - pair[0].at);
    assert!(gaps.max() < Some(Duration::from_millis(150)));

    show.show_at(0, 0, 0);
    show.show_at(1, 0, 0);
    show.run(10 * SECOND);
    assert_eq!(show.wishes().last().map(String::as_str), Some(""));
    show.show_at(0, 300, 170);
    show.run(SECOND);
    assert_eq!(show.wishes().last().map(String::as_str), Some("q"));
    assert_eq!(show.layers()[0], Some(0));
}

#[test]
pub(crate) fn a_layer_that_the_publisher_gives_up_is_replaced_by_a_lower_one() {
    let mut show = Show::new(55, 1);
    show.run(6 * SECOND);
    assert_eq!(show.layers(), [Some(2)]);
    // Its uplink has no room for the largest any more.
    show.obeys = false;
    show.camera.set_on(&["q".to_owned(), "h".to_owned()]);
    show.run(4 * SECOND);
    assert_eq!(show.layers(), [Some(1)]);
    assert!(show.decoders[0].longest_gap() < 2 * SECOND, "{:?}", show.decoders[0].longest_gap());
    show.run(10 * SECOND);
    show.camera.set_on(&["q".to_owned(), "h".to_owned(), "f".to_owned()]);
    show.run(5 * SECOND);
    assert_eq!(show.layers(), [Some(2)]);
}

#[test]
pub(crate) fn who_sends_one_layer_only_is_paused_where_it_does_not_fit_and_resumed_where_it_does() {
    let mut show = Show::with(56, 2, Offering::PLAIN);
    show.set_rate(0, 5_000_000);
    show.set_rate(1, 300_000);
    show.run(15 * SECOND);
    assert_eq!((show.pause(0), show.pause(1)), (None, Some(SlotPause::Bandwidth)));
    assert!(show.wishes().is_empty(), "somebody watches all there is");
    assert!(show.heard(1) >= 700);
    show.run(10 * SECOND);
    assert!(show.heard(1) >= 495, "nothing is in the way of the voice");
    let seen = show.decoders[1].pictures.len();
    show.set_rate(1, 5_000_000);
    show.run(25 * SECOND);
    assert_eq!(show.pause(1), None);
    assert!(show.decoders[1].pictures.len() > seen + 200);
}

#[test]
pub(crate) fn an_unsteady_link_does_not_make_the_picture_flap() {
    let mut show = Show::new(57, 1);
    show.set_rate(0, 3_000_000);
    show.run(10 * SECOND);
    let before = show.decoders[0].changes();
    for second in 0..60 {
        show.set_rate(0, if second % 5 == 4 { 500_000 } else { 3_000_000 });
        show.run(SECOND);
    }
    let changes = show.decoders[0].changes() - before;
    assert!(changes <= 14, "{changes} changes in a minute with twelve dips");
    let heard = show.heard(0);
    assert!(heard >= 3_400, "{heard}");
}

thread_local! {
    static RELAYED: Cell<u32> = const { Cell::new(0) };
}

/// One packet of four hundred: about one a second.
fn is_unlucky(message: &RelayMessage) -> bool {
    if message.is_media() {
        RELAYED.set(RELAYED.get() + 1);
    }
    message.is_media() && RELAYED.get().is_multiple_of(400)
}

#[test]
fn packets_that_cores_lose_between_them_cost_pictures_and_not_the_call() {
    spread_over(2, || {
        let mut show = Show::new(58, 1);
        show.run(4 * SECOND);
        assert_eq!(show.layers(), [Some(2)]);
        let before = show.decoders[0].pictures.len();
        show.world.lose = is_unlucky;
        show.run(10 * SECOND);
        let lossy = show.decoders[0].pictures.len() - before;
        assert!((100..290).contains(&lossy), "{lossy} pictures of 300");

        show.world.lose = |_| false;
        show.run(SECOND);
        let before = show.decoders[0].pictures.len();
        show.run(3 * SECOND);
        let whole = show.decoders[0].pictures.len() - before;
        assert!(whole >= 89, "{whole} pictures of 90");
        assert_eq!(show.decoders[0].stuck(), 0);
    });
}

//! Bugs of our own, met in what cores tell each other of a room, or in what is done for a
//! room: what they are about ends, at every core, and nothing else.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use housecall_protocol::cluster::{SfuEvent, SfuReply, SfuRequest};
use housecall_protocol::domain::{MediaState, TrackSource};
use housecall_protocol::ids::{CallId, PersonId};
use housecall_protocol::media::ParticipantRole;
use proptest::prelude::*;

use super::peer::Peer;
use crate::relay::{Body, RelayId, RelayMessage, Wish};
use crate::{Core, CoreConfig, Input, Output, RequestError};

/// Where the rooms begin, and the other core.
const HOME: usize = 0;
const BRANCH: usize = 1;

/// Two cores and their rooms. Nobody's media flows.
struct House {
    now: Instant,
    cores: [Core; 2],
    events: Vec<(usize, CallId, SfuEvent)>,
    /// Messages that have crossed, and the one that a bug is met by: before it is taken,
    /// or when that is done.
    crossed: usize,
    bug: Option<(usize, Moment)>,
    joined: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Before,
    After,
}

impl House {
    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    fn new() -> Self {
        let core = |number| {
            let address = SocketAddr::from(([192, 0, 2, number], 8090));
            Core::new(CoreConfig::new(vec![address], u64::from(number)))
        };
        Self {
            now: Instant::now(),
            cores: [core(1), core(2)],
            events: Vec::new(),
            crossed: 0,
            bug: None,
            joined: 0,
        }
    }

    /// A room with somebody at each core.
    fn room(&mut self) -> (CallId, [PersonId; 2]) {
        let room = CallId::generate();
        let people = [HOME, BRANCH].map(|core| self.join(room, core));
        (room, people)
    }

    fn join(&mut self, room: CallId, core: usize) -> PersonId {
        self.joined += 1;
        let address = SocketAddr::from(([198, 51, 100, self.joined], 5_000));
        let (peer, sdp, _) = Peer::new(self.now, self.joined, address, false);
        let role = ParticipantRole::Member;
        if core == BRANCH {
            self.cores[BRANCH].link_room(self.now, room, RelayId(HOME), true);
        }
        let joins = SfuRequest::Join { room, participant: peer.person, sdp, role };
        let answer = self.cores[core].request(self.now, &joins);
        assert!(matches!(answer, Ok(SfuReply::Answer { .. })), "{answer:?}");
        self.settle();
        peer.person
    }

    fn tell(&mut self, core: usize, request: &SfuRequest) {
        // Whom it names may be gone.
        let _ = self.cores[core].request(self.now, request);
        self.settle();
    }

    /// Lets the cores tell each other all they have to.
    fn settle(&mut self) {
        self.now += Duration::from_millis(1);
        loop {
            let mut messages = Vec::new();
            for index in [HOME, BRANCH] {
                self.drain(index, &mut messages);
            }
            if messages.is_empty() {
                return;
            }
            for (from, to, message) in messages {
                self.hear(from, to, message);
            }
        }
    }

    fn drain(&mut self, index: usize, messages: &mut Vec<(usize, usize, RelayMessage)>) {
        loop {
            match self.cores[index].poll(self.now) {
                Output::Relay { to, message } => messages.push((index, to.0, message)),
                Output::Event { room, event } => self.events.push((index, room, event)),
                Output::Transmit { .. } => {}
                Output::Timeout(_) => return,
            }
        }
    }

    fn hear(&mut self, from: usize, to: usize, message: RelayMessage) {
        let bug = self.bug.filter(|(at, _)| *at == self.crossed).map(|(_, moment)| moment);
        self.crossed += 1;
        let (now, from) = (self.now, RelayId(from));
        let core = &mut self.cores[to];
        match bug {
            None => core.handle(now, Input::Relayed { from, message }),
            Some(moment) => core.guard_relayed(now, from, message, |core, message| {
                if moment == Moment::After {
                    core.take_relayed(now, from, message);
                }
                panic!("a bug");
            }),
        }
    }

    /// A message with a bug in it.
    fn break_by(&mut self, to: usize, room: CallId, body: Body) {
        self.bug = Some((self.crossed, Moment::Before));
        self.hear(1 - to, to, RelayMessage { room, body });
        self.settle();
    }

    /// Members of a room at a core; those alone who joined there, or all.
    fn members(&self, core: usize, room: CallId, own: bool) -> BTreeSet<PersonId> {
        let core = &self.cores[core];
        let members = core.members(room).into_iter().filter_map(|key| core.participants.get(key));
        let counted = members.filter(|it| !own || it.session.relay().is_none());
        counted.map(|it| it.person).collect()
    }

    fn told(&self, core: usize, room: CallId, event: &SfuEvent) -> usize {
        self.events.iter().filter(|it| (it.0, it.1, &it.2) == (core, room, event)).count()
    }

    fn assert_only_they_are_gone(&self, room: CallId, gone: PersonId, at: usize, left: PersonId) {
        assert_eq!(self.told(at, room, &SfuEvent::Gone { participant: gone }), 1);
        for core in [HOME, BRANCH] {
            assert_eq!(self.members(core, room, false), BTreeSet::from([left]));
            assert_eq!(self.told(core, room, &SfuEvent::RoomClosed), 0);
        }
        let failed: u64 = self.cores.iter().map(|core| core.counters().failed_sessions).sum();
        let panicked: u64 = self.cores.iter().map(|core| core.counters().panicked_sessions).sum();
        assert_eq!((failed, panicked), (1, 1));
    }
}

#[test]
fn in_news_of_a_publisher() {
    let on = |person| Body::LayersOn { person, source: TrackSource::Camera, layers: 1 };
    let left = |person| Body::Left { person };
    for body in [&on as &dyn Fn(PersonId) -> Body, &left] {
        let mut house = House::new();
        let (room, [publisher, other]) = house.room();
        house.break_by(BRANCH, room, body(publisher));
        house.assert_only_they_are_gone(room, publisher, HOME, other);
    }
}

#[test]
fn in_news_of_somebody_who_is_not_here_yet() {
    let mut house = House::new();
    let (room, [first, other]) = house.room();
    // The next word from home is that they publish.
    house.bug = Some((house.crossed, Moment::Before));
    let late = house.join(room, HOME);
    assert_eq!(house.told(HOME, room, &SfuEvent::Gone { participant: late }), 1);
    for core in [HOME, BRANCH] {
        assert_eq!(house.members(core, room, false), BTreeSet::from([first, other]));
    }
}

#[test]
fn in_a_wish_for_a_track() {
    let mut house = House::new();
    let (room, [publisher, other]) = house.room();
    let (source, wish) = (TrackSource::Camera, Wish::default());
    house.break_by(HOME, room, Body::Wished { person: publisher, source, wish });
    house.assert_only_they_are_gone(room, publisher, HOME, other);
}

#[test]
fn in_word_of_a_whole_room() {
    let mut house = House::new();
    let (room, [publisher, _]) = house.room();
    let (spared, people) = house.room();
    house.break_by(BRANCH, room, Body::Forwarding { forwarding: true });
    assert_eq!(house.told(BRANCH, room, &SfuEvent::RoomClosed), 1);
    assert!(house.cores[BRANCH].members(room).is_empty());
    assert_eq!(house.members(HOME, room, false), BTreeSet::from([publisher]));
    assert!(house.cores[HOME].rooms_shared_with(RelayId(BRANCH)).iter().all(|it| *it != room));
    for core in [HOME, BRANCH] {
        assert_eq!(house.members(core, spared, false), BTreeSet::from(people));
        assert_eq!(house.told(core, spared, &SfuEvent::RoomClosed), 0);
    }
}

/// Of two rooms one ends at a core, and the other is as it was.
fn assert_only_it_is_over(house: &House, core: usize, over: CallId, spared: CallId) {
    assert_eq!(house.told(core, over, &SfuEvent::RoomClosed), 1);
    assert_eq!(house.cores[core].room_ids(), [spared]);
    assert!(house.cores[1 - core].rooms_shared_with(RelayId(core)).iter().all(|it| *it != over));
    assert_eq!(house.told(core, spared, &SfuEvent::RoomClosed), 0);
    assert_eq!(house.members(core, spared, false).len(), 2);
    assert_eq!(house.cores[core].participants(), 1);
}

#[test]
fn in_forgetting_a_room() {
    let mut house = House::new();
    // Sooner than those who never connect are given up.
    house.cores[BRANCH].config.room_linger = Duration::from_secs(1);
    let (room, [_, last]) = house.room();
    let (spared, _) = house.room();
    house.tell(BRANCH, &SfuRequest::Leave { room, participant: last });
    let core = &mut house.cores[BRANCH];
    house.now += core.config.room_linger;
    let forgot = RefCell::new(Vec::new());
    core.forget_rooms(house.now, |_, _, room| {
        forgot.borrow_mut().push(room);
        panic!("a bug");
    });
    house.settle();
    assert_eq!(*forgot.borrow(), [room]);
    assert_only_it_is_over(&house, BRANCH, room, spared);
    let Output::Timeout(next) = house.cores[BRANCH].poll(house.now) else {
        panic!("all was put out");
    };
    assert!(next.is_some_and(|next| next > house.now), "nothing is left to forget");
}

#[test]
fn in_listening_to_a_room() {
    let mut house = House::new();
    let (room, _) = house.room();
    let (spared, _) = house.room();
    let core = &mut house.cores[HOME];
    core.lively.extend([room, spared].map(|room| Reverse((house.now, room))));
    let listened = RefCell::new(0);
    core.listen_again(house.now, |_, _, heard| {
        *listened.borrow_mut() += 1;
        assert_ne!(heard, room, "a bug");
    });
    house.settle();
    assert_eq!(*listened.borrow(), 2, "the other room is listened to as well");
    assert_only_it_is_over(&house, HOME, room, spared);
}

/// A core that has lost count of its tracks cannot remove anybody.
fn lose_count(house: &mut House, core: usize) {
    assert!(house.cores[core].tracks > 0);
    house.cores[core].tracks = 0;
}

#[test]
fn in_a_request_for_a_whole_room() {
    let mut house = House::new();
    let (room, _) = house.room();
    let (spared, _) = house.room();
    let tracks = house.cores[HOME].tracks();
    lose_count(&mut house, HOME);
    let close = SfuRequest::Close { room };
    assert_eq!(house.cores[HOME].request(house.now, &close), Err(RequestError::Internal));
    house.settle();
    assert_only_it_is_over(&house, HOME, room, spared);
    assert_eq!(house.cores[HOME].tracks(), tracks / 2, "they are counted anew");
}

#[test]
fn in_ending_somebody_for_another_bug() {
    let mut house = House::new();
    let (room, [participant, _]) = house.room();
    let (spared, _) = house.room();
    lose_count(&mut house, HOME);
    let core = &mut house.cores[HOME];
    let key = core.find(room, participant).expect("they joined");
    assert_eq!(core.guard(house.now, key, |_| panic!("a bug")), None::<()>);
    house.settle();
    assert_only_it_is_over(&house, HOME, room, spared);
}

#[test]
fn in_closing_everything() {
    let mut house = House::new();
    let rooms = [house.room().0, house.room().0];
    lose_count(&mut house, HOME);
    house.cores[HOME].close_all(house.now);
    house.settle();
    assert!(house.cores[HOME].is_vacant());
    for room in rooms {
        assert_eq!(house.told(HOME, room, &SfuEvent::RoomClosed), 1);
    }
}

#[derive(Clone, Debug)]
enum Act {
    Join(usize),
    Leave(usize),
    Mute(usize, bool),
    Forward(bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (0..2_usize).prop_map(Act::Join),
        1 => (0..6_usize).prop_map(Act::Leave),
        2 => (0..6_usize, any::<bool>()).prop_map(|(who, on)| Act::Mute(who, on)),
        1 => any::<bool>().prop_map(Act::Forward),
    ]
}

fn live(house: &mut House, room: CallId, acts: &[Act]) {
    let mut people: Vec<(usize, PersonId)> = Vec::new();
    for act in acts {
        let chosen = |who: usize| people.get(who % people.len().max(1)).copied();
        match act {
            Act::Join(core) => people.push((*core, house.join(room, *core))),
            Act::Leave(who) => {
                let Some((core, participant)) = chosen(*who) else { continue };
                house.tell(core, &SfuRequest::Leave { room, participant });
            }
            Act::Mute(who, camera) => {
                let Some((core, participant)) = chosen(*who) else { continue };
                let media = MediaState { camera: *camera, ..MediaState::ALL };
                house.tell(core, &SfuRequest::SetMedia { room, participant, media });
            }
            Act::Forward(forwarding) => {
                house.tell(HOME, &SfuRequest::SetForwarding { room, forwarding: *forwarding });
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is said when a bug is met: the cores agree afterwards on who is where, or
    /// a room's end was told; and the other room is as before.
    #[test]
    fn cores_agree_after_a_bug(
        acts in prop::collection::vec(act(), 1..12),
        at in 0..24_usize,
        after in any::<bool>(),
    ) {
        let mut house = House::new();
        let (spared, people) = house.room();
        let (room, _) = house.room();
        let moment = if after { Moment::After } else { Moment::Before };
        house.bug = Some((house.crossed + at, moment));
        live(&mut house, room, &acts);

        for core in [HOME, BRANCH] {
            prop_assert_eq!(house.members(core, spared, false), BTreeSet::from(people));
        }
        let closed = house.events.iter().any(|(_, id, event)| {
            *id == room && *event == SfuEvent::RoomClosed
        });
        // The service closes what is left of a room whose part has ended.
        if closed {
            house.tell(HOME, &SfuRequest::Close { room });
            house.tell(BRANCH, &SfuRequest::Close { room });
        }
        let [own, theirs] = [HOME, BRANCH].map(|core| house.members(core, room, true));
        let all: BTreeSet<_> = own.union(&theirs).copied().collect();
        for core in [HOME, BRANCH] {
            prop_assert_eq!(house.members(core, room, false), all.clone());
        }
    }
}

//! A room's cores, its clients, and the time they share.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use housecall_protocol::cluster::{SfuEvent, SfuReply, SfuRequest};
use housecall_protocol::domain::{MediaSlot, MediaState, TrackSource};
use housecall_protocol::ids::{CallId, PersonId};
use housecall_protocol::media::ParticipantRole;
use housecall_sfu_core::{
    Core, CoreConfig, Flow, Input, Output, RelayId, RelayMessage, RequestError, Transport,
};
use str0m::media::Mid;

use crate::client::{Client, Media, Offering};
use crate::network::{Conditions, Network};

pub(crate) const ALL: MediaState = MediaState { microphone: true, camera: true, screen: true };

thread_local! {
    /// Over how many cores the rooms of this thread's worlds spread.
    static CORES: Cell<usize> = const { Cell::new(1) };
}

/// Runs a test whose rooms spread over several cores: everybody joins at another one than
/// who came before.
pub(crate) fn spread_over(cores: usize, test: impl FnOnce()) {
    CORES.set(cores);
    test();
    CORES.set(1);
}

pub(crate) struct World {
    pub(crate) now: Instant,
    /// Where the room begins.
    pub(crate) core: Core,
    /// Others at which it lives.
    pub(crate) branches: Vec<Core>,
    /// Who joined at which core.
    seats: HashMap<PersonId, usize>,
    joins: usize,
    /// Where the next one joins, if it matters.
    next_core: Option<usize>,
    /// What the cores tell each other: from, to, what.
    pub(crate) relayed: VecDeque<(usize, usize, RelayMessage)>,
    /// Nothing that the cores tell arrives while this says so of it.
    pub(crate) lose: fn(&RelayMessage) -> bool,
    pub(crate) clients: Vec<Client>,
    pub(crate) network: Network,
    pub(crate) events: Vec<SfuEvent>,
    pub(crate) room: CallId,
    pub(crate) relay: SocketAddr,
    next_port: u16,
}

/// Where a core is reached.
fn address_of(core: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1 + core as u8], 8090))
}

/// VP8: the S bit, then a frame header whose lowest bit says "not a key frame".
pub(crate) fn vp8(key: bool, number: u32) -> Vec<u8> {
    let mut payload = vec![0x10, u8::from(!key), 0, 0];
    payload.extend_from_slice(&number.to_be_bytes());
    payload
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    pub(crate) fn new(conditions: Conditions, seed: u64) -> Self {
        let relay = address_of(0);
        Self {
            now: Instant::now(),
            core: Core::new(CoreConfig::new(vec![relay], seed)),
            branches: (1..CORES.get())
                .map(|index| {
                    let address = address_of(index);
                    Core::new(CoreConfig::new(vec![address], seed + index as u64))
                })
                .collect(),
            seats: HashMap::new(),
            joins: 0,
            next_core: None,
            relayed: VecDeque::new(),
            lose: |_| false,
            clients: Vec::new(),
            network: Network::new(conditions, seed),
            events: Vec::new(),
            room: CallId::generate(),
            relay,
            next_port: 5000,
        }
    }

    /// A world whose `count` clients are connected.
    pub(crate) fn connected(conditions: Conditions, seed: u64, count: usize) -> Self {
        let mut world = Self::new(conditions, seed);
        for _ in 0..count {
            world.join();
        }
        world.until("all are connected", |world| {
            world.clients.iter().all(|client| client.connected) && world.connected_events() == count
        });
        world
    }

    pub(crate) fn connected_events(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, SfuEvent::Connected { .. })).count()
    }

    /// A client's way to the relay.
    pub(crate) fn flow(&self, remote: SocketAddr) -> Flow {
        Flow { transport: Transport::Udp, local: self.relay, remote }
    }

    pub(crate) fn fresh_address(&mut self) -> SocketAddr {
        self.next_port += 1;
        SocketAddr::from(([198, 51, 100, 1], self.next_port))
    }

    pub(crate) fn join(&mut self) -> usize {
        self.join_as(ParticipantRole::Member)
    }

    pub(crate) fn join_as(&mut self, role: ParticipantRole) -> usize {
        self.join_with(role, Offering::PLAIN)
    }

    /// Joins at this core.
    pub(crate) fn join_at(&mut self, core: usize) -> usize {
        self.join_at_with(core, Offering::PLAIN)
    }

    pub(crate) fn join_at_with(&mut self, core: usize, offering: Offering) -> usize {
        self.next_core = Some(core);
        self.join_with(ParticipantRole::Member, offering)
    }

    /// Somebody's requests go to this core.
    pub(crate) fn seat(&mut self, person: PersonId, core: usize) {
        self.seats.insert(person, core);
    }

    pub(crate) fn join_with(&mut self, role: ParticipantRole, offering: Offering) -> usize {
        let address = self.fresh_address();
        let (mut client, offer) = Client::offering(self.now, address, offering);
        let seated = self.next_core.take();
        let core = seated.unwrap_or(self.joins % (self.branches.len() + 1));
        self.joins += 1;
        self.seat(client.person, core);
        self.link(core);
        let answer = self.ask(&SfuRequest::Join {
            room: self.room,
            participant: client.person,
            sdp: offer,
            role,
        });
        client.accept_answer(self.now, &answer);
        self.clients.push(client);
        self.clients.len() - 1
    }

    /// A request whose answer is SDP.
    pub(crate) fn ask(&mut self, request: &SfuRequest) -> String {
        match self.tell(request) {
            Ok(SfuReply::Answer { sdp }) => sdp,
            other => panic!("expected an answer, got {other:?}"),
        }
    }

    pub(crate) fn tell(&mut self, request: &SfuRequest) -> Result<SfuReply, RequestError> {
        let person = match request {
            SfuRequest::Join { participant, .. }
            | SfuRequest::Offer { participant, .. }
            | SfuRequest::SetMedia { participant, .. }
            | SfuRequest::SetAllowed { participant, .. }
            | SfuRequest::SetTiles { participant, .. }
            | SfuRequest::Leave { participant, .. } => Some(participant),
            SfuRequest::SetForwarding { .. } | SfuRequest::Close { .. } => None,
        };
        let core = person.and_then(|person| self.seats.get(person)).copied().unwrap_or(0);
        let now = self.now;
        self.core_at(core).request(now, request)
    }

    /// The core of this number; the home is the first.
    pub(crate) fn core_at(&mut self, index: usize) -> &mut Core {
        match index.checked_sub(1) {
            None => &mut self.core,
            Some(branch) => &mut self.branches[branch],
        }
    }

    /// Those who joined, at any core.
    pub(crate) fn participants(&self) -> usize {
        self.core.participants() + self.branches.iter().map(Core::participants).sum::<usize>()
    }

    /// Tells a core with which others it shares the room, as a shell does before a join.
    pub(crate) fn link(&mut self, core: usize) {
        let (now, room) = (self.now, self.room);
        if core > 0 {
            for other in (0..=self.branches.len()).filter(|other| *other != core) {
                self.core_at(core).link_room(now, room, RelayId(other), other == 0);
            }
        }
    }

    pub(crate) fn set_forwarding(&mut self, forwarding: bool) {
        let room = self.room;
        self.tell(&SfuRequest::SetForwarding { room, forwarding }).expect("the room exists");
    }

    pub(crate) fn set_media(&mut self, client: usize, media: MediaState) {
        let request = SfuRequest::SetMedia {
            room: self.room,
            participant: self.clients[client].person,
            media,
        };
        self.tell(&request).expect("the participant exists");
    }

    pub(crate) fn offer(&mut self, client: usize, sdp: String) {
        let participant = self.clients[client].person;
        let answer = self.ask(&SfuRequest::Offer { room: self.room, participant, sdp });
        self.clients[client].accept_answer(self.now, &answer);
    }

    /// Removes the client and tells the core.
    pub(crate) fn leave(&mut self, client: usize) {
        let client = self.clients.remove(client);
        let request = SfuRequest::Leave { room: self.room, participant: client.person };
        self.tell(&request).expect("leaving always works");
    }

    pub(crate) fn send(&mut self, client: usize, media: Media, payload: &[u8]) {
        self.clients[client].send(self.now, media, payload);
    }

    /// Lets time pass in steps of a millisecond.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.step();
        }
    }

    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let end = self.now + Duration::from_secs(60);
        while !done(self) {
            assert!(self.now < end, "not within a minute: {what}; events: {:?}", self.events);
            self.step();
        }
    }

    /// One second of both media at 50 packets a second each from a client; a
    /// keyframe whenever the relay asked for one. Returns how many of each were sent.
    pub(crate) fn talk(&mut self, client: usize, duration: Duration) -> u32 {
        let mut sent = 0_u32;
        let end = self.now + duration;
        while self.now < end {
            self.send(client, Media::Audio, &sent.to_be_bytes());
            let key = !std::mem::take(&mut self.clients[client].keyframe_requests).is_empty();
            self.send(client, Media::Camera, &vp8(key, sent));
            sent += 1;
            self.run(Duration::from_millis(20));
        }
        sent
    }

    pub(crate) fn slots_of(&self, person: PersonId) -> Vec<MediaSlot> {
        let announced = self.events.iter().rev().find_map(|event| match event {
            SfuEvent::Slots { participant, slots } if *participant == person => Some(slots.clone()),
            _ => None,
        });
        announced.unwrap_or_default()
    }

    /// Where a client receives a track of another.
    pub(crate) fn slot(&self, to: usize, from: usize, source: TrackSource) -> Option<Mid> {
        let from = self.clients[from].person;
        let slots = self.slots_of(self.clients[to].person);
        let slot =
            slots.iter().find(|slot| slot.person == Some(from) && slot.source == Some(source))?;
        Some(Mid::from(slot.mid.as_str()))
    }

    pub(crate) fn step(&mut self) {
        self.flush();
        self.now += Duration::from_millis(1);
        while let Some(datagram) = self.network.receive(self.now) {
            let cores = self.branches.len() + 1;
            if let Some(core) = (0..cores).find(|core| datagram.destination == address_of(*core)) {
                let local = datagram.destination;
                let flow = Flow { transport: Transport::Udp, local, remote: datagram.source };
                let (now, contents) = (self.now, datagram.contents.as_slice());
                self.core_at(core).handle(now, Input::Datagram { flow, contents });
            } else if let Some(client) =
                self.clients.iter_mut().find(|client| client.address == datagram.destination)
            {
                client.receive(self.now, datagram.source, &datagram.contents);
            }
        }
        for client in &mut self.clients {
            if client.due <= self.now {
                client.wake(self.now);
            }
        }
        self.flush();
    }

    fn flush_core(&mut self, index: usize) {
        loop {
            let now = self.now;
            let core = match index.checked_sub(1) {
                None => &mut self.core,
                Some(branch) => &mut self.branches[branch],
            };
            match core.poll(now) {
                Output::Transmit { flow, contents, segment_bytes } => {
                    for datagram in contents.chunks(segment_bytes) {
                        self.network.send(now, flow.local, flow.remote, datagram.to_vec());
                    }
                }
                Output::Event { room, event } => {
                    assert_eq!(room, self.room);
                    self.events.push(event);
                }
                Output::Relay { to, message } => self.relayed.push_back((index, to.0, message)),
                Output::Timeout(next) => {
                    assert!(next.is_none_or(|next| next > now), "a drain must end");
                    break;
                }
            }
        }
    }

    /// Moves all output onto the network, and between the cores.
    fn flush(&mut self) {
        (0..=self.branches.len()).for_each(|core| self.flush_core(core));
        while let Some((from, to, message)) = self.relayed.pop_front() {
            if !(self.lose)(&message) {
                let now = self.now;
                self.core_at(to).handle(now, Input::Relayed { from: RelayId(from), message });
                self.flush_core(to);
            }
        }
        for client in &mut self.clients {
            while let Some((destination, contents)) = client.take_outgoing() {
                self.network.send(self.now, client.address, destination, contents);
            }
        }
    }
}

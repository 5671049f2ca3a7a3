//! One core, its clients, and the time they share.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use housecall_protocol::cluster::{SfuEvent, SfuReply, SfuRequest};
use housecall_protocol::domain::{MediaSlot, MediaState, TrackSource};
use housecall_protocol::ids::{CallId, PersonId};
use housecall_protocol::media::ParticipantRole;
use housecall_sfu_core::{Core, CoreConfig, Flow, Input, Output, RequestError, Transport};
use str0m::media::Mid;

use crate::client::{Client, Media, Offering};
use crate::network::{Conditions, Network};

pub(crate) const ALL: MediaState = MediaState { microphone: true, camera: true, screen: true };

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) core: Core,
    pub(crate) clients: Vec<Client>,
    pub(crate) network: Network,
    pub(crate) events: Vec<SfuEvent>,
    pub(crate) room: CallId,
    pub(crate) relay: SocketAddr,
    next_port: u16,
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
        let relay = SocketAddr::from(([192, 0, 2, 1], 8090));
        Self {
            now: Instant::now(),
            core: Core::new(CoreConfig::new(vec![relay], seed)),
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

    pub(crate) fn join_with(&mut self, role: ParticipantRole, offering: Offering) -> usize {
        let address = self.fresh_address();
        let (mut client, offer) = Client::offering(self.now, address, offering);
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
        match self.core.request(self.now, request) {
            Ok(SfuReply::Answer { sdp }) => sdp,
            other => panic!("expected an answer, got {other:?}"),
        }
    }

    pub(crate) fn tell(&mut self, request: &SfuRequest) -> Result<SfuReply, RequestError> {
        self.core.request(self.now, request)
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
            if datagram.destination == self.relay {
                let flow = self.flow(datagram.source);
                let contents = datagram.contents.as_slice();
                self.core.handle(self.now, Input::Datagram { flow, contents });
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

    /// Moves all output onto the network.
    fn flush(&mut self) {
        loop {
            match self.core.poll(self.now) {
                Output::Transmit { flow, contents, segment_bytes } => {
                    for datagram in contents.chunks(segment_bytes) {
                        self.network.send(self.now, flow.local, flow.remote, datagram.to_vec());
                    }
                }
                Output::Event { room, event } => {
                    assert_eq!(room, self.room);
                    self.events.push(event);
                }
                Output::Timeout(next) => {
                    assert!(next.is_none_or(|next| next > self.now), "a drain must end");
                    break;
                }
            }
        }
        for client in &mut self.clients {
            while let Some((destination, contents)) = client.take_outgoing() {
                self.network.send(self.now, client.address, destination, contents);
            }
        }
    }
}

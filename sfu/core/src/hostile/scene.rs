//! A core, its peers and their time; a network that loses nothing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use housecall_protocol::cluster::{SfuEvent, SfuReply, SfuRequest};
use housecall_protocol::ids::{CallId, PersonId};
use housecall_protocol::media::ParticipantRole;

use super::peer::{Heard, Kind, Peer};
use crate::routes::MAX_FLOWS;
use crate::srtp::{MAX_STREAMS, Opener};
use crate::{Core, CoreConfig, Flow, Input, Output, Transport};

/// Between two packets of a line.
const PACKET_MS: u64 = 20;

pub(super) struct Scene {
    pub(super) now: Instant,
    pub(super) core: Core,
    pub(super) room: CallId,
    pub(super) peers: Vec<Peer>,
    pub(super) events: Vec<SfuEvent>,
    /// Bytes sent to addresses of no peer.
    pub(super) strayed_bytes: usize,
    pub(super) relay: SocketAddr,
    next_port: u16,
    /// Of the next packet of honest peers.
    number: u32,
}

impl Scene {
    /// A room in which peers are connected and may hear each other: `plain` ones first,
    /// then those who offer all codecs and layers.
    pub(super) fn with(plain: usize, layered: usize) -> Self {
        let mut scene = Self::empty();
        for index in 0..plain + layered {
            scene.join(index >= plain);
        }
        scene.settle();
        let room = scene.room;
        let request = SfuRequest::SetForwarding { room, forwarding: true };
        scene.tell(&request).expect("the room exists");
        scene.run(100);
        scene
    }

    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    pub(super) fn empty() -> Self {
        let relay = SocketAddr::from(([192, 0, 2, 1], 8090));
        Self {
            now: Instant::now(),
            core: Core::new(CoreConfig::new(vec![relay], 7)),
            room: CallId::generate(),
            peers: Vec::new(),
            events: Vec::new(),
            strayed_bytes: 0,
            relay,
            next_port: 5_000,
            number: 0,
        }
    }

    /// A peer joins the room; which one.
    pub(super) fn join(&mut self, layered: bool) -> usize {
        self.next_port += 1;
        let address = SocketAddr::from(([198, 51, 100, 1], self.next_port));
        let number = (self.next_port - 5_000) as u8;
        let (mut peer, sdp, pending) = Peer::new(self.now, number, address, layered);
        let request = SfuRequest::Join {
            room: self.room,
            participant: peer.person,
            sdp,
            role: ParticipantRole::Member,
        };
        match self.tell(&request) {
            Ok(SfuReply::Answer { sdp }) => peer.accept_answer(self.now, pending, &sdp),
            other => panic!("expected an answer, got {other:?}"),
        }
        self.peers.push(peer);
        self.peers.len() - 1
    }

    /// Lets everybody connect.
    pub(super) fn settle(&mut self) {
        for _ in 0..2_000 {
            if self.peers.iter().all(|peer| peer.connected) {
                return;
            }
            self.step();
        }
        panic!("not connected within two seconds");
    }

    pub(super) fn tell(&mut self, request: &SfuRequest) -> Result<SfuReply, crate::RequestError> {
        self.core.request(self.now, request)
    }

    pub(super) fn person(&self, peer: usize) -> PersonId {
        self.peers[peer].person
    }

    pub(super) fn flow(&self, remote: SocketAddr) -> Flow {
        Flow { transport: Transport::Udp, local: self.relay, remote }
    }

    /// A datagram reaches the relay from an address.
    pub(super) fn inject(&mut self, from: SocketAddr, contents: &[u8]) {
        let flow = self.flow(from);
        self.core.handle(self.now, Input::Datagram { flow, contents });
    }

    /// As if the peer had sent it.
    pub(super) fn inject_as(&mut self, peer: usize, contents: &[u8]) {
        self.inject(self.peers[peer].address, contents);
    }

    pub(super) fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.step();
        }
    }

    /// A millisecond.
    pub(super) fn step(&mut self) {
        self.now += Duration::from_millis(1);
        for index in 0..self.peers.len() {
            self.peers[index].wake(self.now);
            while let Some(datagram) = self.peers[index].outgoing.pop_front() {
                self.inject_as(index, &datagram);
            }
        }
        self.flush();
    }

    /// Delivers what the core sends.
    pub(super) fn flush(&mut self) {
        loop {
            match self.core.poll(self.now) {
                Output::Transmit { flow, contents, segment_bytes } => {
                    let known = self.peers.iter_mut().find(|peer| peer.address == flow.remote);
                    match known {
                        Some(peer) => contents
                            .chunks(segment_bytes)
                            .for_each(|datagram| peer.receive(self.now, self.relay, datagram)),
                        None => self.strayed_bytes += contents.len(),
                    }
                }
                Output::Event { event, .. } => self.events.push(event),
                Output::Relay { .. } => unreachable!("the room has no other core"),
                Output::Timeout(next) => {
                    assert!(next.is_none_or(|next| next > self.now), "a drain must end");
                    return;
                }
            }
        }
    }

    /// The peers `who` talk as honest peers do, and `act` happens before each packet.
    /// The numbers that were sent.
    pub(super) fn talk_while(
        &mut self,
        who: &[usize],
        ms: u64,
        mut act: impl FnMut(&mut Self),
    ) -> std::ops::Range<u32> {
        let first = self.number;
        for _ in 0..ms / PACKET_MS {
            act(self);
            for index in who {
                let peer = &mut self.peers[*index];
                peer.send(Kind::Audio, self.number, false);
                let key = peer.take_wish();
                peer.send(Kind::Video, self.number, key);
            }
            self.number += 1;
            self.run(PACKET_MS);
        }
        first..self.number
    }

    pub(super) fn talk(&mut self, who: &[usize], ms: u64) -> std::ops::Range<u32> {
        self.talk_while(who, ms, |_| {})
    }

    /// Tables hold no more than the configuration lets them.
    pub(super) fn assert_bounded(&self) {
        let (core, limits) = (&self.core, &self.core.config.limits);
        assert!(core.participants() <= limits.participants);
        assert!(core.rooms() <= limits.rooms);
        for (_, key) in core.rooms.values().flat_map(|room| &room.members) {
            let participant = core.participants.get(*key).expect("rooms name who is there");
            assert!(participant.inbound.bindings.len() <= limits.ssrcs);
            let streams = participant.inbound.opener.as_ref().map_or(0, Opener::streams);
            assert!(streams <= MAX_STREAMS);
            let (packets, compounds) = participant.outbound.waiting();
            assert!(packets <= limits.queue_packets && compounds <= 32);
            assert!(core.routes.flows_of(*key) <= MAX_FLOWS);
        }
    }

    /// What `to` received of `from` since the last call.
    pub(super) fn take_heard(&mut self, to: usize, from: usize, kind: Kind) -> Vec<Heard> {
        let number = self.peers[from].number;
        let (taken, kept) = std::mem::take(&mut self.peers[to].heard)
            .into_iter()
            .partition(|heard| heard.kind == kind && heard.from == number);
        self.peers[to].heard = kept;
        taken
    }

    /// Everything that each of `who` sent reached every other one of them, once.
    pub(super) fn assert_heard(&mut self, who: &[usize], numbers: &std::ops::Range<u32>) {
        self.run(200);
        for (to, from) in who.iter().flat_map(|to| who.iter().map(move |from| (*to, *from))) {
            if to == from {
                continue;
            }
            for kind in [Kind::Audio, Kind::Video] {
                let heard = self.take_heard(to, from, kind);
                let mut got: Vec<_> = heard
                    .iter()
                    .map(|heard| heard.number)
                    .filter(|number| numbers.contains(number))
                    .collect();
                got.sort_unstable();
                let sent: Vec<_> = numbers.clone().collect();
                assert_eq!(got, sent, "{kind:?} of {from} at {to}");
            }
        }
    }

    /// The peers `who` understand each other: whatever happened before.
    pub(super) fn assert_undisturbed(&mut self, who: &[usize]) {
        // The first second may still pay for what came before: a keyframe is due.
        self.talk(who, 1_000);
        let numbers = self.talk(who, 500);
        self.assert_heard(who, &numbers);
    }
}

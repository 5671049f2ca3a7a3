//! One core, its participants, and the time they share.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use housecall_protocol::cluster::{SfuEvent, SfuReply, SfuRequest};
use housecall_protocol::domain::{MediaState, TrackSource};
use housecall_protocol::ids::{CallId, PersonId};
use housecall_protocol::media::{MediaFault, ParticipantRole};
use housecall_sfu_core::{Core, CoreConfig, Flow, Input, Output, Transport};

use super::peer::{Peer, Setup};

pub(super) const MS: Duration = Duration::from_millis(1);
/// Estimates are sampled that often: with the reports on quality.
const REPORTS: Duration = Duration::from_millis(500);
const CAMERA_AND_VOICE: MediaState = MediaState { microphone: true, camera: true, screen: false };

/// What the relay believed of a participant's downlink, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    pub(super) person: PersonId,
    pub(super) at_s: f64,
    pub(super) bps: f64,
}

/// What the relay said to be stuck, or to be so no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stuck {
    pub(super) person: PersonId,
    pub(super) source: TrackSource,
    pub(super) receiver: Option<PersonId>,
    pub(super) fault: MediaFault,
    pub(super) over: bool,
}

pub(super) struct Stage {
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) core: Core,
    pub(super) peers: Vec<Peer>,
    pub(super) estimates: Vec<Estimate>,
    pub(super) stuck: Vec<Stuck>,
    /// The longest a core was busy is not measured: time is virtual. What it wanted is.
    pub(super) turns: u64,
    room: CallId,
    relay: SocketAddr,
    next_number: u32,
}

impl Stage {
    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    pub(super) fn new(seed: u64) -> Self {
        let relay = SocketAddr::from(([192, 0, 2, 1], 8090));
        let now = Instant::now();
        let mut config = CoreConfig::new(vec![relay], seed);
        config.quality_interval = REPORTS;
        Self {
            start: now,
            now,
            core: Core::new(config),
            peers: Vec::new(),
            estimates: Vec::new(),
            stuck: Vec::new(),
            turns: 0,
            room: CallId::generate(),
            relay,
            next_number: 1,
        }
    }

    /// A stage with these participants, connected, and forwarding on.
    pub(super) fn with(seed: u64, setups: &[Setup]) -> Self {
        let mut stage = Self::new(seed);
        for setup in setups {
            stage.join(setup);
        }
        stage.request(|room| SfuRequest::SetForwarding { room, forwarding: true });
        stage.until_connected();
        stage
    }

    pub(super) fn until_connected(&mut self) {
        let end = self.now + Duration::from_secs(30);
        while !self.peers.iter().all(|peer| peer.connected) {
            assert!(self.now < end, "not connected within half a minute");
            self.step();
        }
    }

    /// Somebody joins; their place in `peers`.
    pub(super) fn join(&mut self, setup: &Setup) -> usize {
        let number = self.next_number;
        self.next_number += 1;
        let [_, _, high, low] = number.to_be_bytes();
        let address = SocketAddr::from(([198, 51, high, low], 5_000));
        let (mut peer, offer) = Peer::new(self.now, self.start, number, address, setup);
        let participant = peer.person;
        let role = ParticipantRole::Member;
        let answer = self.ask(|room| SfuRequest::Join { room, participant, sdp: offer, role });
        peer.accept_answer(self.now, &answer);
        self.peers.push(peer);
        self.request(|room| SfuRequest::SetMedia { room, participant, media: CAMERA_AND_VOICE });
        self.peers.len() - 1
    }

    pub(super) fn leave(&mut self, peer: usize) {
        let participant = self.peers.remove(peer).person;
        self.request(|room| SfuRequest::Leave { room, participant });
    }

    /// The same person comes back with a new session, and its encoder starts anew.
    pub(super) fn rejoin(&mut self, peer: usize, setup: &Setup) {
        let person = self.peers[peer].person;
        let number = self.next_number;
        self.next_number += 1;
        let [_, _, high, low] = number.to_be_bytes();
        let address = SocketAddr::from(([198, 51, high, low], 5_000));
        let (mut fresh, offer) = Peer::new(self.now, self.start, number, address, setup);
        fresh.person = person;
        let (participant, role) = (person, ParticipantRole::Member);
        let answer = self.ask(|room| SfuRequest::Join { room, participant, sdp: offer, role });
        fresh.accept_answer(self.now, &answer);
        self.peers[peer] = fresh;
        self.request(|room| SfuRequest::SetMedia { room, participant, media: CAMERA_AND_VOICE });
    }

    /// A participant says what it sends.
    pub(super) fn say(&mut self, peer: usize, media: MediaState) {
        let participant = self.peers[peer].person;
        self.request(|room| SfuRequest::SetMedia { room, participant, media });
    }

    pub(super) fn request(&mut self, request: impl FnOnce(CallId) -> SfuRequest) {
        let request = request(self.room);
        self.core.request(self.now, &request).expect("the relay does what it is asked");
    }

    fn ask(&mut self, request: impl FnOnce(CallId) -> SfuRequest) -> String {
        match self.core.request(self.now, &request(self.room)) {
            Ok(SfuReply::Answer { sdp }) => sdp,
            other => panic!("expected an answer, got {other:?}"),
        }
    }

    pub(super) fn run(&mut self, seconds: f64) {
        let end = self.now + Duration::from_secs_f64(seconds);
        while self.now < end {
            self.step();
        }
    }

    /// Counting begins everywhere.
    pub(super) fn begin(&mut self) {
        let now = self.now;
        self.peers.iter_mut().for_each(|peer| peer.begin(now));
    }

    pub(super) fn seconds(&self) -> f64 {
        (self.now - self.start).as_secs_f64()
    }

    /// A millisecond passes.
    pub(super) fn step(&mut self) {
        self.now += MS;
        let now = self.now;
        for index in 0..self.peers.len() {
            let peer = &mut self.peers[index];
            let remote = peer.address;
            while let Some((_, contents)) = peer.up.receive(now) {
                let flow = Flow { transport: Transport::Udp, local: self.relay, remote };
                self.core.handle(now, Input::Datagram { flow, contents: &contents });
            }
        }
        self.drain();
        for peer in self.peers.iter_mut().filter(|peer| !peer.asleep) {
            while let Some((_, contents)) = peer.down.receive(now) {
                peer.receive(now, self.relay, &contents);
            }
            peer.speak(now);
            peer.turn(now);
        }
    }

    fn drain(&mut self) {
        let mut events = Vec::new();
        self.turns += 1;
        loop {
            match self.core.poll(self.now) {
                Output::Transmit { flow, contents, segment_bytes } => {
                    let to = self.peers.iter_mut().find(|peer| peer.address == flow.remote);
                    let Some(peer) = to else { continue };
                    for datagram in contents.chunks(segment_bytes) {
                        peer.down.send(self.now, datagram.len() + 28, datagram.to_vec());
                    }
                }
                Output::Event { event, .. } => events.push(event),
                Output::Relay { .. } => unreachable!("the room has no other core"),
                Output::Timeout(next) => {
                    assert!(next.is_none_or(|next| next > self.now), "a drain must end");
                    break;
                }
            }
        }
        for event in events {
            self.on_event(event);
        }
    }

    fn on_event(&mut self, event: SfuEvent) {
        match event {
            SfuEvent::Quality { participant, quality } => {
                if let Some(bps) = quality.estimate_bps {
                    let at_s = self.seconds();
                    self.estimates.push(Estimate { person: participant, at_s, bps: bps as f64 });
                }
            }
            SfuEvent::LayersWanted { participant, source: TrackSource::Camera, rids } => {
                let peer = self.peers.iter_mut().find(|peer| peer.person == participant);
                if let Some(peer) = peer {
                    peer.want_layers(&rids);
                }
            }
            SfuEvent::OfferNeeded { participant, audio_slots, video_slots } => {
                self.offer(participant, audio_slots.into(), video_slots.into());
            }
            SfuEvent::StuckMedia { participant, source, receiver, fault, over } => {
                self.stuck.push(Stuck { person: participant, source, receiver, fault, over });
            }
            _ => {}
        }
    }

    fn offer(&mut self, participant: PersonId, audio: usize, video: usize) {
        let place = self.peers.iter().position(|peer| peer.person == participant);
        let Some(place) = place.filter(|place| self.peers[*place].connected) else { return };
        let Some(sdp) = self.peers[place].offer_lines(self.now, audio, video) else { return };
        let answer = self.ask(|room| SfuRequest::Offer { room, participant, sdp });
        self.peers[place].accept_answer(self.now, &answer);
    }

    /// What the relay believed of a peer's downlink in `[from, to)` seconds.
    pub(super) fn estimates_of(&self, peer: usize, from: f64, to: f64) -> Vec<f64> {
        let person = self.peers[peer].person;
        let wanted =
            |estimate: &&Estimate| estimate.person == person && (from..to).contains(&estimate.at_s);
        self.estimates.iter().filter(wanted).map(|estimate| estimate.bps).collect()
    }
}

//! The state machine itself: what goes in, what comes out, and who is polled when.

mod guard;
mod turn;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use housecall_protocol::cluster::{SfuEvent, SfuReply, SfuRequest};
use housecall_protocol::ids::CallId;
use str0m::config::DtlsCert;
use str0m::crypto::CryptoProvider;
use str0m::net::Protocol;

pub(crate) use self::guard::{Failure, guarded};
use crate::allocate::Candidate;
use crate::config::CoreConfig;
use crate::demux::MAX_PACKET_BYTES;
use crate::flow::{Flow, Transport};
use crate::keys;
use crate::layers::Demand;
use crate::outbound::Burst;
use crate::participant::Participant;
use crate::random::Random;
use crate::relay::{RelayId, RelayMessage};
use crate::room::Room;
use crate::routes::Routes;
use crate::slab::{Key, Slab};
use crate::timers::Timers;

/// What the shell gives to a core.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram that arrived on one of the worker's sockets, or a packet of one of
    /// its connections.
    Datagram { flow: Flow, contents: &'a [u8] },
    /// What another core tells of a room that lives there, too.
    Relayed { from: RelayId, message: RelayMessage },
    /// Time has come; the next [`Core::poll`] does what is due.
    Timeout,
}

/// What a core wants from the shell.
#[derive(Debug)]
pub enum Output<'a> {
    /// Send these datagrams from the flow's local address: each of `segment_bytes`,
    /// the last may be smaller, ready for one send with segmentation offload.
    Transmit { flow: Flow, contents: &'a [u8], segment_bytes: usize },
    /// Tell the owner of the room.
    Event { room: CallId, event: SfuEvent },
    /// Tell another core.
    Relay { to: RelayId, message: RelayMessage },
    /// Nothing more now. Come back at this time, or earlier with input;
    /// `None`: only with input.
    Timeout(Option<Instant>),
}

/// What waits to be put out.
pub(crate) enum Pending {
    Datagram { flow: Flow, contents: Vec<u8> },
    Event { room: CallId, event: SfuEvent },
    Relay { to: RelayId, message: RelayMessage },
}

/// What is put out next.
enum Step {
    /// What the burst holds.
    Burst(Flow),
    Event {
        room: CallId,
        event: SfuEvent,
    },
    Relay {
        to: RelayId,
        message: RelayMessage,
    },
    Idle,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("no such room")]
    UnknownRoom,
    #[error("no such participant in the room")]
    UnknownParticipant,
    #[error("this relay is full")]
    Full,
    #[error("the room is full")]
    RoomFull,
    #[error("the offer is too large: {what} is limited to {limit}")]
    TooLarge { what: &'static str, limit: usize },
    #[error("the offer was not understood: {reason}")]
    BadOffer { reason: String },
    #[error("a bug in the relay")]
    Internal,
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Media packets written to a subscriber.
    pub forwarded_packets: u64,
    /// Their payload, bytes.
    pub forwarded_bytes: u64,
    /// Media packets passed on to other cores.
    pub relayed_packets: u64,
    /// Media packets that reached the relay but no subscriber: forwarding was off,
    /// or the source was muted.
    pub gated_packets: u64,
    /// Media packets a subscriber could not use: before its first keyframe, of a
    /// codec it did not negotiate, or older than its stream.
    pub unusable_packets: u64,
    /// Packets sent again because a subscriber missed them.
    pub repeated_packets: u64,
    /// Media and RTCP packets that were not authentic, came twice, or are of no stream
    /// that was negotiated.
    pub refused_packets: u64,
    /// Media and RTCP packets of participants who sent more than they may.
    pub excess_packets: u64,
    /// Datagrams that belong to nobody.
    pub stray_datagrams: u64,
    /// Packets that were lost on the way to or from the relay, as reports say.
    pub lost_packets: u64,
    /// Keyframe requests sent to publishers.
    pub keyframe_requests: u64,
    /// Participants whose session failed with an error or a panic.
    pub failed_sessions: u64,
    /// Those of them that a panic ended: bugs.
    pub panicked_sessions: u64,
}

/// One worker's rooms and participants. See the crate's documentation.
pub struct Core {
    pub(crate) config: CoreConfig,
    /// One certificate for all sessions of this core: making one costs more than
    /// the rest of a join, and the fingerprint in the answer binds it anyway.
    pub(crate) certificate: DtlsCert,
    /// Hands the keys of handshakes to us.
    pub(crate) crypto: Arc<CryptoProvider>,
    pub(crate) random: Random,
    pub(crate) rooms: HashMap<CallId, Room>,
    pub(crate) participants: Slab<Participant>,
    /// Tracks published by those who joined here.
    pub(crate) tracks: usize,
    /// Participants whose sessions are at other cores.
    pub(crate) relayed: usize,
    pub(crate) routes: Routes,
    pub(crate) timers: Timers,
    /// Participants changed since they were last drained.
    pub(crate) touched: VecDeque<Key>,
    pub(crate) outbox: VecDeque<Pending>,
    /// Whose queue is being sent.
    flushing: Option<Key>,
    /// To whom a packet is being passed on.
    pub(crate) serving: Option<Key>,
    pub(crate) burst: Burst,
    /// Received packets are opened in it.
    pub(crate) scratch: Vec<u8>,
    pub(crate) counters: Counters,
    /// When the next empty room is forgotten.
    pub(crate) next_expiry: Option<Instant>,
    /// Rooms in which somebody spoke, by when to look at them again; each one once.
    pub(crate) lively: BinaryHeap<Reverse<(Instant, CallId)>>,
    /// Slots of the subscriber that is allocated to, and what they want. Kept so that no
    /// memory is taken each time.
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) demands: Vec<Demand>,
}

impl Core {
    /// A core without rooms.
    ///
    /// # Panics
    /// When `config` names no candidate, or the crypto provider cannot make a
    /// certificate: both are mistakes of the build, not of a peer.
    pub fn new(config: CoreConfig) -> Self {
        assert!(!config.candidates.is_empty(), "a relay without an address serves nobody");
        let crypto = keys::capturing_provider();
        let certificate = crypto
            .dtls_provider
            .generate_certificate()
            .expect("the default crypto provider makes certificates");
        Self {
            random: Random::new(config.seed),
            config,
            certificate,
            crypto,
            rooms: HashMap::new(),
            participants: Slab::new(),
            tracks: 0,
            relayed: 0,
            routes: Routes::default(),
            timers: Timers::default(),
            touched: VecDeque::new(),
            outbox: VecDeque::new(),
            flushing: None,
            serving: None,
            burst: Burst::new(),
            scratch: vec![0; MAX_PACKET_BYTES],
            counters: Counters::default(),
            next_expiry: None,
            lively: BinaryHeap::new(),
            candidates: Vec::new(),
            demands: Vec::new(),
        }
    }

    /// Takes input. Follow with [`Self::poll`] until it returns a timeout; several
    /// inputs may come first, and their packets then leave in bursts.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Datagram { flow, contents } => self.receive(now, flow, contents),
            Input::Relayed { from, message } => self.on_relayed(now, from, message),
            Input::Timeout => {}
        }
    }

    /// Answers a request. Follow with [`Self::poll`].
    ///
    /// # Errors
    /// When the request cannot be met; nothing has changed then, except that after
    /// [`RequestError::Internal`] the participant it named is gone, or the room.
    pub fn request(
        &mut self,
        now: Instant,
        request: &SfuRequest,
    ) -> Result<SfuReply, RequestError> {
        self.guard_request(now, request, |core| core.obey(now, request))
    }

    fn obey(&mut self, now: Instant, request: &SfuRequest) -> Result<SfuReply, RequestError> {
        match request {
            SfuRequest::Join { room, participant, sdp, role } => {
                self.join(now, *room, *participant, sdp, *role)
            }
            SfuRequest::Offer { room, participant, sdp } => {
                self.offer(now, *room, *participant, sdp)
            }
            SfuRequest::SetForwarding { room, forwarding } => {
                self.set_forwarding(now, *room, *forwarding)
            }
            SfuRequest::SetMedia { room, participant, media } => {
                self.set_media(now, *room, *participant, *media)
            }
            SfuRequest::SetAllowed { room, participant, allowed } => {
                self.set_allowed(now, *room, *participant, *allowed)
            }
            SfuRequest::SetTiles { room, participant, tiles } => {
                self.set_tiles(now, *room, *participant, tiles)
            }
            SfuRequest::Leave { room, participant } => {
                self.leave(now, *room, *participant);
                Ok(SfuReply::Done)
            }
            SfuRequest::Close { room } => {
                self.close_room(now, *room);
                Ok(SfuReply::Done)
            }
        }
    }

    /// The next thing to do. Call until it returns [`Output::Timeout`].
    pub fn poll(&mut self, now: Instant) -> Output<'_> {
        match self.step(now) {
            Step::Burst(flow) => Output::Transmit {
                flow,
                contents: self.burst.bytes(),
                segment_bytes: self.burst.segment(),
            },
            Step::Event { room, event } => Output::Event { room, event },
            Step::Relay { to, message } => Output::Relay { to, message },
            Step::Idle => {
                let lively = self.lively.peek().map(|Reverse((at, _))| *at);
                let times = [self.timers.next(), self.next_expiry, lively];
                Output::Timeout(times.into_iter().flatten().min())
            }
        }
    }

    fn step(&mut self, now: Instant) -> Step {
        loop {
            match self.outbox.pop_front() {
                Some(Pending::Event { room, event }) => return Step::Event { room, event },
                Some(Pending::Relay { to, message }) => return Step::Relay { to, message },
                Some(Pending::Datagram { flow, contents }) => {
                    self.burst.clear();
                    self.burst.push(&contents);
                    return Step::Burst(flow);
                }
                None => {}
            }
            // One participant at a time, so that their packets are sent while they are warm.
            if let Some(key) = self.flushing {
                match self.guard(now, key, |core| core.flush(now, key)).flatten() {
                    Some(flow) => return Step::Burst(flow),
                    None => self.flushing = None,
                }
                continue;
            }
            self.forget_rooms(now, Self::forget_expired);
            self.listen_again(now, Self::listen);
            while let Some(key) = self.timers.pop_due(now) {
                self.touch(key);
            }
            let Some(key) = self.touched.pop_front() else { return Step::Idle };
            if self.guard(now, key, |core| core.advance(now, key)).is_some() {
                self.flushing = Some(key);
            }
        }
    }

    /// Closes all rooms. Follow with [`Self::poll`].
    pub fn close_all(&mut self, now: Instant) {
        for room in self.room_ids() {
            self.guard_room(now, room, |core| core.close_room(now, room));
        }
    }

    /// Whether a participant owns the flow: they proved by STUN that it is theirs. Of
    /// any other a shell need not keep a connection open.
    pub fn knows(&self, flow: &Flow) -> bool {
        self.routes.by_flow(flow).is_some()
    }

    pub fn room_ids(&self) -> Vec<CallId> {
        self.rooms.keys().copied().collect()
    }

    /// Rooms held, including empty ones that linger.
    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// Participants who joined here.
    pub fn participants(&self) -> usize {
        self.participants.len() - self.relayed
    }

    /// Tracks published by participants who joined here.
    pub const fn tracks(&self) -> usize {
        self.tracks
    }

    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether nothing of any participant is left, in any table.
    pub fn is_vacant(&self) -> bool {
        self.rooms.is_empty()
            && self.participants.len() == 0
            && self.routes.is_empty()
            && self.timers.len() == 0
    }

    /// Puts a participant on the list of those to drain.
    pub(crate) fn touch(&mut self, key: Key) {
        if let Some(participant) = self.participants.get_mut(key)
            && !participant.touched
        {
            participant.touched = true;
            self.touched.push_back(key);
        }
    }

    /// Passes on what str0m wants sent. It sends by what its candidates offer only.
    pub(crate) fn transmit(&mut self, transmit: str0m::net::Transmit) {
        let transport = match transmit.proto {
            Protocol::Udp => Transport::Udp,
            Protocol::Tcp => Transport::Tcp,
            Protocol::SslTcp | Protocol::Tls => return,
        };
        let flow = Flow { transport, local: transmit.source, remote: transmit.destination };
        self.outbox.push_back(Pending::Datagram { flow, contents: transmit.contents.into() });
    }

    /// Answers of ICE that wait to be sent to a flow (RFC 8489 section 5: a success
    /// response of the method "binding").
    pub(crate) fn answers_to(&self, to: &Flow) -> usize {
        let is_answer = |pending: &&Pending| match pending {
            Pending::Datagram { flow, contents } => {
                flow == to && contents.starts_with(&[0x01, 0x01])
            }
            Pending::Event { .. } | Pending::Relay { .. } => false,
        };
        self.outbox.iter().filter(is_answer).count()
    }

    pub(crate) fn emit(&mut self, room: CallId, event: SfuEvent) {
        self.outbox.push_back(Pending::Event { room, event });
    }
}

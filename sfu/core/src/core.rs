//! The state machine itself: what goes in, what comes out, and who is polled when.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use housecall_protocol::cluster::{SfuEvent, SfuReply, SfuRequest};
use housecall_protocol::ids::{CallId, PersonId};
use str0m::config::DtlsCert;
use str0m::crypto::CryptoProvider;
use str0m::net::Protocol;
use str0m::{Event, RtcError};

use crate::allocate::Candidate;
use crate::config::CoreConfig;
use crate::demux::MAX_PACKET_BYTES;
use crate::flow::{Flow, Transport};
use crate::keys;
use crate::layers::Demand;
use crate::outbound::{Burst, Flushed};
use crate::participant::{LinkChange, Participant};
use crate::random::Random;
use crate::relay::{RelayId, RelayMessage};
use crate::room::Room;
use crate::routes::Routes;
use crate::slab::{Key, Slab};
use crate::timers::Timers;

/// What is due may name a time that has come already; the next turn of one
/// participant is at least this far away, so that a drain always ends.
const MIN_TIMEOUT: Duration = Duration::from_millis(1);

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
    /// [`RequestError::Internal`] the participant it named is gone.
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
            self.forget_rooms(now);
            self.listen_again(now);
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
            self.close_room(now, room);
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

    /// Brings a touched or due participant to the present.
    fn advance(&mut self, now: Instant, key: Key) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        participant.touched = false;
        participant.outbound.handle_timeout(now);
        if participant.steering.is_due(now) {
            self.allocate(now, key);
        }
        self.review_watched(now, key);
        let Some(participant) = self.participants.get_mut(key) else { return };
        if participant.due.is_none_or(|due| due > now) {
            return;
        }
        if participant.link.deadline().is_some_and(|deadline| deadline <= now) {
            self.end(now, key);
            return;
        }
        self.counters.keyframe_requests += participant.report(now);
        self.tell_keyframes_wanted(now, key);
        let Some(participant) = self.participants.get_mut(key) else { return };
        if participant.rtc_due.is_some_and(|due| due <= now)
            && let Some(rtc) = participant.session.rtc_mut()
        {
            match guarded(|| rtc.handle_input(str0m::Input::Timeout(now))) {
                Ok(()) => self.drain(now, key),
                Err(failure) => {
                    self.fail(now, key, &failure);
                    return;
                }
            }
        }
        self.report_quality(now, key);
        self.look_for_stuck(now, key);
        if let Some(participant) = self.participants.get_mut(key) {
            participant.due = participant.next_deadline();
        }
    }

    /// Puts the next of a participant's packets into the burst; `None` when nothing is
    /// left to send now.
    pub(crate) fn flush(&mut self, now: Instant, key: Key) -> Option<Flow> {
        let participant = self.participants.get_mut(key)?;
        if let Some(flow) = participant.flow
            && participant.outbound.flush(now, &mut self.burst) == Flushed::Burst
        {
            return Some(flow);
        }
        let next = participant.outbound.next_flush(now);
        let due = [participant.due, next].into_iter().flatten().min();
        if let Some(due) = due {
            self.timers.set(key, due.max(now + MIN_TIMEOUT));
        }
        None
    }

    fn report_quality(&mut self, now: Instant, key: Key) {
        let Some((quality, lost)) = self.quality(now, key) else { return };
        let Some(participant) = self.participants.get(key) else { return };
        let (room, participant) = (participant.room, participant.person);
        self.counters.lost_packets += lost;
        self.emit(room, SfuEvent::Quality { participant, quality });
    }

    /// Takes everything out of one `Rtc`. str0m wants this after every change.
    pub(crate) fn drain(&mut self, now: Instant, key: Key) {
        loop {
            let Some(participant) = self.participants.get_mut(key) else { return };
            let Some(rtc) = participant.session.rtc_mut() else { return };
            match guarded(|| rtc.poll_output()) {
                Ok(str0m::Output::Transmit(transmit)) => {
                    self.transmit(transmit);
                }
                Ok(str0m::Output::Event(event)) => self.on_event(now, key, &event),
                Ok(str0m::Output::Timeout(at)) => {
                    self.drained(now, key, at);
                    return;
                }
                Err(failure) => {
                    self.fail(now, key, &failure);
                    return;
                }
            }
        }
    }

    fn drained(&mut self, now: Instant, key: Key, at: Instant) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        if participant.session.rtc().is_some_and(|rtc| !rtc.is_alive()) {
            self.end(now, key);
            return;
        }
        let due = at.max(now + MIN_TIMEOUT);
        participant.rtc_due = Some(due);
        participant.need_by(due);
        self.settle(now, key);
    }

    fn on_event(&mut self, now: Instant, key: Key, event: &Event) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        match event {
            Event::IceConnectionStateChange(state) => {
                let elapsed = now.saturating_duration_since(participant.joined_at);
                let patience_ends = now + self.config.patience;
                let change = participant.link.ice_changed(*state, elapsed, patience_ends);
                self.link_changed(now, key, change);
            }
            Event::Connected => {
                let elapsed = now.saturating_duration_since(participant.joined_at);
                let change = participant.link.dtls_connected(elapsed);
                if let Some((opener, sealer)) = participant.keys.take() {
                    participant.inbound.opener = Some(opener);
                    participant.outbound.open(now, sealer, self.config.congestion);
                    participant.quality.start(now);
                    participant.patrol.start(now);
                }
                self.link_changed(now, key, change);
            }
            Event::Closed => self.end(now, key),
            // The rest is of media, which does not pass through str0m, and of data
            // channels, which are not negotiated; m-lines are read after each offer.
            _ => {}
        }
    }

    fn link_changed(&mut self, now: Instant, key: Key, change: Option<LinkChange>) {
        if let Some(participant) = self.participants.get_mut(key) {
            // The deadline may have changed.
            participant.need_by(now);
            self.touch(key);
        }
        let Some(change) = change else { return };
        let Some(participant) = self.participants.get(key) else { return };
        let (room, person) = (participant.room, participant.person);
        match change {
            LinkChange::Connected(timings) => {
                self.emit(
                    room,
                    SfuEvent::Connected {
                        participant: person,
                        ice_ms: timings.ice_ms,
                        dtls_ms: timings.dtls_ms,
                    },
                );
                self.restart_slots(now, key);
                self.restart_tracks(now, key);
            }
            LinkChange::Disconnected => {
                self.emit(room, SfuEvent::Disconnected { participant: person });
            }
        }
    }

    /// Does something for one participant. A panic in it (a bug that hostile bytes
    /// found) ends their session only: what was half done is theirs, and goes with
    /// them. `None` after a panic.
    pub(crate) fn guard<T>(
        &mut self,
        now: Instant,
        key: Key,
        step: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        let done = catch_unwind(AssertUnwindSafe(|| step(self))).ok();
        if done.is_none() {
            self.fail(now, key, &Failure::Panic);
        }
        done
    }

    /// Obeys a request. A panic ends the session of the participant it names.
    pub(crate) fn guard_request(
        &mut self,
        now: Instant,
        request: &SfuRequest,
        obey: impl FnOnce(&mut Self) -> Result<SfuReply, RequestError>,
    ) -> Result<SfuReply, RequestError> {
        if let Ok(result) = catch_unwind(AssertUnwindSafe(|| obey(self))) {
            return result;
        }
        let named = participant_of(request).and_then(|(room, it)| self.find(room, it).ok());
        match named {
            Some(key) => self.fail(now, key, &Failure::Panic),
            None => self.counters.panicked_sessions += 1,
        }
        Err(RequestError::Internal)
    }

    /// Ends one participant whose session broke; the worker and the others go on.
    pub(crate) fn fail(&mut self, now: Instant, key: Key, failure: &Failure) {
        self.counters.failed_sessions += 1;
        self.counters.panicked_sessions += u64::from(matches!(failure, Failure::Panic));
        if let Some(participant) = self.participants.get(key) {
            tracing::warn!(
                room = %participant.room,
                participant = %participant.person,
                %failure,
                "session failed"
            );
        }
        self.end(now, key);
    }
}

/// The participant that a request names.
const fn participant_of(request: &SfuRequest) -> Option<(CallId, PersonId)> {
    match request {
        SfuRequest::Join { room, participant, .. }
        | SfuRequest::Offer { room, participant, .. }
        | SfuRequest::SetMedia { room, participant, .. }
        | SfuRequest::SetAllowed { room, participant, .. }
        | SfuRequest::SetTiles { room, participant, .. }
        | SfuRequest::Leave { room, participant } => Some((*room, *participant)),
        SfuRequest::SetForwarding { .. } | SfuRequest::Close { .. } => None,
    }
}

/// Why a session cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Rtc(#[from] RtcError),
    #[error("a bug in the relay")]
    Panic,
}

/// Runs one step of one session. A panic in it (a bug that hostile bytes found)
/// ends that session only: the `Rtc` is thrown away and nothing else was borrowed.
pub(crate) fn guarded<T>(step: impl FnOnce() -> Result<T, RtcError>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(result) => result.map_err(Failure::Rtc),
        Err(_) => Err(Failure::Panic),
    }
}

//! The state machine itself: what goes in, what comes out, and who is polled when.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use housecall_protocol::cluster::{SfuEvent, SfuReply, SfuRequest};
use housecall_protocol::ids::CallId;
use str0m::config::DtlsCert;
use str0m::media::MediaKind;
use str0m::net::Protocol;
use str0m::{Event, RtcError};

use crate::config::CoreConfig;
use crate::flow::{Flow, Transport};
use crate::participant::{LinkChange, Participant};
use crate::random::Random;
use crate::room::Room;
use crate::routes::Routes;
use crate::slab::{Key, Slab};
use crate::timers::Timers;

/// str0m may name a time that has come already; the next poll of one instance is
/// at least this far away, so that a drain always ends.
const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// What the shell gives to a core.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A datagram that arrived on one of the worker's sockets, or a packet of one of
    /// its connections.
    Datagram { flow: Flow, contents: &'a [u8] },
    /// Time has come; the next [`Core::poll`] does what is due.
    Timeout,
}

/// What a core wants from the shell.
#[derive(Debug)]
pub enum Output {
    /// Send this datagram from the flow's local address. Datagrams of one flow come
    /// in runs.
    Transmit { flow: Flow, contents: Vec<u8> },
    /// Tell the owner of the room.
    Event { room: CallId, event: SfuEvent },
    /// Nothing more now. Come back at this time, or earlier with input;
    /// `None`: only with input.
    Timeout(Option<Instant>),
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
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Media packets written to a subscriber.
    pub forwarded_packets: u64,
    /// Their payload, bytes.
    pub forwarded_bytes: u64,
    /// Media packets that reached the relay but no subscriber: forwarding was off,
    /// or the source was muted.
    pub gated_packets: u64,
    /// Media packets a subscriber could not use: before its first keyframe, of a
    /// codec it did not negotiate, or older than its stream.
    pub unusable_packets: u64,
    /// Datagrams that belong to nobody.
    pub stray_datagrams: u64,
    /// Packets that were lost on the way to or from the relay, as reports say.
    pub lost_packets: u64,
    /// Keyframe requests sent to publishers.
    pub keyframe_requests: u64,
    /// Participants whose session failed with an error or a panic.
    pub failed_sessions: u64,
}

/// One worker's rooms and participants. See the crate's documentation.
pub struct Core {
    pub(crate) config: CoreConfig,
    /// One certificate for all sessions of this core: making one costs more than
    /// the rest of a join, and the fingerprint in the answer binds it anyway.
    pub(crate) certificate: DtlsCert,
    pub(crate) random: Random,
    pub(crate) rooms: HashMap<CallId, Room>,
    pub(crate) participants: Slab<Participant>,
    /// Tracks published by all of them.
    pub(crate) tracks: usize,
    pub(crate) routes: Routes,
    pub(crate) timers: Timers,
    /// Participants changed since they were last drained.
    pub(crate) touched: VecDeque<Key>,
    pub(crate) outbox: VecDeque<Output>,
    pub(crate) counters: Counters,
    /// When the next empty room is forgotten.
    pub(crate) next_expiry: Option<Instant>,
}

impl Core {
    /// A core without rooms.
    ///
    /// # Panics
    /// When `config` names no candidate, or the crypto provider cannot make a
    /// certificate: both are mistakes of the build, not of a peer.
    pub fn new(config: CoreConfig) -> Self {
        assert!(!config.candidates.is_empty(), "a relay without an address serves nobody");
        let certificate = str0m::crypto::from_feature_flags()
            .dtls_provider
            .generate_certificate()
            .expect("the default crypto provider makes certificates");
        Self {
            random: Random::new(config.seed),
            config,
            certificate,
            rooms: HashMap::new(),
            participants: Slab::new(),
            tracks: 0,
            routes: Routes::default(),
            timers: Timers::default(),
            touched: VecDeque::new(),
            outbox: VecDeque::new(),
            counters: Counters::default(),
            next_expiry: None,
        }
    }

    /// Takes input. Follow with [`Self::poll`] until it returns a timeout; several
    /// inputs may come first, and their packets then leave in bursts.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Datagram { flow, contents } => self.receive(now, flow, contents),
            Input::Timeout => {}
        }
    }

    /// Answers a request. Follow with [`Self::poll`].
    ///
    /// # Errors
    /// When the request cannot be met; nothing has changed then.
    pub fn request(
        &mut self,
        now: Instant,
        request: &SfuRequest,
    ) -> Result<SfuReply, RequestError> {
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
    pub fn poll(&mut self, now: Instant) -> Output {
        if let Some(output) = self.outbox.pop_front() {
            return output;
        }
        self.forget_rooms(now);
        while let Some(key) = self.timers.pop_due(now) {
            self.touch(key);
        }
        // One participant at a time, so that their packets are sent while they are warm.
        while let Some(key) = self.touched.pop_front() {
            self.advance(now, key);
            if let Some(output) = self.outbox.pop_front() {
                return output;
            }
        }
        Output::Timeout([self.timers.next(), self.next_expiry].into_iter().flatten().min())
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

    pub fn participants(&self) -> usize {
        self.participants.len()
    }

    /// Tracks published by all participants.
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
        self.outbox.push_back(Output::Transmit { flow, contents: transmit.contents.into() });
    }

    pub(crate) fn emit(&mut self, room: CallId, event: SfuEvent) {
        self.outbox.push_back(Output::Event { room, event });
    }

    /// Brings a touched or due participant to the present and drains it.
    fn advance(&mut self, now: Instant, key: Key) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        participant.touched = false;
        if participant.link.deadline().is_some_and(|deadline| deadline <= now) {
            self.end(now, key);
            return;
        }
        if participant.request_due_keyframes(now) {
            self.counters.keyframe_requests += 1;
        }
        let rtc = &mut participant.rtc;
        match guarded(|| rtc.handle_input(str0m::Input::Timeout(now))) {
            Ok(()) => self.drain(now, key),
            Err(failure) => self.fail(now, key, &failure),
        }
    }

    /// Takes everything out of one `Rtc`. str0m wants this after every change.
    pub(crate) fn drain(&mut self, now: Instant, key: Key) {
        loop {
            let Some(participant) = self.participants.get_mut(key) else { return };
            let rtc = &mut participant.rtc;
            match guarded(|| rtc.poll_output()) {
                Ok(str0m::Output::Transmit(transmit)) => {
                    self.transmit(transmit);
                }
                Ok(str0m::Output::Event(event)) => self.on_event(now, key, event),
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
        if !participant.rtc.is_alive() {
            self.end(now, key);
            return;
        }
        let due = participant.next_deadline().map_or(at, |ours| ours.min(at));
        self.timers.set(key, due.max(now + MIN_TIMEOUT));
        if let Some((quality, lost)) = participant.quality.finish() {
            let (room, participant) = (participant.room, participant.person);
            self.counters.lost_packets += lost;
            self.emit(room, SfuEvent::Quality { participant, quality });
        }
    }

    fn on_event(&mut self, now: Instant, key: Key, event: Event) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        match event {
            Event::RtpPacket(packet) => self.forward(now, key, packet),
            Event::KeyframeRequest(request) => self.keyframe_wanted(now, key, request.mid),
            Event::IceConnectionStateChange(state) => {
                let elapsed = now.saturating_duration_since(participant.joined_at);
                let patience_ends = now + self.config.patience;
                let change = participant.link.ice_changed(state, elapsed, patience_ends);
                self.link_changed(now, key, change);
            }
            Event::Connected => {
                let elapsed = now.saturating_duration_since(participant.joined_at);
                let change = participant.link.dtls_connected(elapsed);
                self.link_changed(now, key, change);
            }
            Event::PeerStats(stats) => participant.quality.peer(&stats),
            Event::MediaIngressStats(stats) => {
                let audio = participant
                    .rtc
                    .media(stats.mid)
                    .is_some_and(|media| media.kind() == MediaKind::Audio);
                let clock_rate = if audio { 48_000 } else { 90_000 };
                participant.quality.ingress(&stats, clock_rate, audio);
            }
            Event::MediaEgressStats(stats) => participant.quality.egress(&stats),
            Event::Closed => self.end(now, key),
            // The rest is of frame mode, data channels or estimation, none of which
            // is on; m-lines are read after each offer instead of by event.
            _ => {}
        }
    }

    fn link_changed(&mut self, now: Instant, key: Key, change: Option<LinkChange>) {
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

    /// Ends one participant whose session broke; the worker and the others go on.
    pub(crate) fn fail(&mut self, now: Instant, key: Key, failure: &Failure) {
        self.counters.failed_sessions += 1;
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

/// Why a session cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Rtc(#[from] RtcError),
    #[error("a bug in the WebRTC stack")]
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

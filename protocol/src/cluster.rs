//! What services say to each other over the bus, as JSON.
//!
//! The bus delivers at most once. A request has a subject of its own and one
//! answer, [`Answer<T>`]; an event has a subject that names what it is about.
//! Nothing durable depends on either: PostgreSQL is the truth.

use serde::{Deserialize, Serialize};

use crate::client::{
    CallAccept, CallReport, ChatAck, ChatChangeAck, ChatChanges, ChatPage, ChatSend, ChatState,
    ErrorCode, PersonPresence, ReceiptView, ServerFrame, Topic, TypingView,
};
use crate::domain::{
    CallView, MediaSlot, MediaState, Message, PersonKind, PresenceStatus, QualityLevel, Role,
    TimestampMs, TrackSource,
};
use crate::ids::{
    CallId, ClientChangeId, ConnectionId, ConversationId, NodeId, PersonId, SessionId,
};
use crate::media::{MediaFault, ParticipantRole, Speaker, Tile, TrackQuality};

/// Subjects. `*` never appears in an id, so a subject is always one exact path.
pub mod subject {
    use crate::ids::{CallId, ConversationId, NodeId, PersonId};

    /// Requests to any chat router: [`super::ChatRequest`].
    pub const CHAT_REQUEST: &str = "chat.request";
    /// All of a deployment's chat events.
    pub const CHAT_EVENTS: &str = "chat.event.*";
    /// Events of one conversation: [`super::ChatEvent`].
    pub fn chat_event(conversation: ConversationId) -> String {
        format!("chat.event.{conversation}")
    }

    /// All events for persons.
    pub const PERSON_EVENTS: &str = "person.event.*";
    /// What concerns one person's connections: [`super::PersonEvent`].
    pub fn person_event(person: PersonId) -> String {
        format!("person.event.{person}")
    }

    /// List changes for every signed-in operator: [`super::DeskEvent`].
    pub const DESK_EVENT: &str = "desk.event";

    /// Commands to the gateway that owns a call: [`super::CallRequest`].
    pub fn call_request(owner: NodeId) -> String {
        format!("call.request.{owner}")
    }

    /// Asks any relay to take a room; the answer is its [`super::NodeId`].
    pub const SFU_PLACE: &str = "sfu.place";
    /// Requests to one relay node: [`super::SfuRequest`].
    pub fn sfu_request(node: NodeId) -> String {
        format!("sfu.request.{node}")
    }
    /// Asks one relay node which rooms it does not have: [`super::SfuCheck`].
    pub fn sfu_check(node: NodeId) -> String {
        format!("sfu.check.{node}")
    }
    /// Events of one room at one relay: [`super::SfuEvent`]. A room that moves is at two
    /// for a while.
    pub fn sfu_event(node: NodeId, room: CallId) -> String {
        format!("sfu.event.{node}.{room}")
    }

    /// Leases of a gateway's connections: [`super::PresenceBeat`].
    pub const PRESENCE_BEAT: &str = "presence.beat";
    /// A presence instance that has just started asks every gateway for a full
    /// beat: [`super::PresenceSync`].
    pub const PRESENCE_SYNC: &str = "presence.sync";
    /// Requests to any presence instance: [`super::PresenceRequest`].
    pub const PRESENCE_REQUEST: &str = "presence.request";
    /// Changes of people's presence: [`super::PresenceEvent`].
    pub const PRESENCE_EVENT: &str = "presence.event";

    /// Asks for the JSON Web Key Set that verifies access tokens.
    pub const IDENTITY_JWKS: &str = "identity.jwks";
}

/// The answer to any request.
pub type Answer<T> = Result<T, Refusal>;

/// Why a service refused. Shown to the client as an `error` frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code:?}: {message}")]
pub struct Refusal {
    pub code: ErrorCode,
    pub message: String,
}

impl Refusal {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// Who asks, as the access token says. Services authorise every request by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    pub person: PersonId,
    pub session: SessionId,
    pub kind: PersonKind,
    /// Operators only.
    pub role: Option<Role>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    pub actor: Actor,
    pub command: ChatCommand,
}

/// Messages of one [`ChatCommand::Send`].
pub const MAX_SENT_TOGETHER: usize = 64;

/// Each may be asked again when no answer comes: it has its effect once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ChatCommand {
    /// Answered by [`ChatReply::State`].
    Open { conversation: ConversationId },
    /// Messages of one person, in the order of writing; at most
    /// [`MAX_SENT_TOGETHER`]. Answered by [`ChatReply::Acks`] in the same order, after
    /// the commit.
    Send { messages: Vec<ChatSend> },
    /// Edits when there is a text, deletes otherwise. Answered by
    /// [`ChatReply::Changed`], after the commit.
    Change {
        conversation: ConversationId,
        seq: i64,
        client_change_id: ClientChangeId,
        text: Option<String>,
    },
    /// Answered by [`ChatReply::Page`].
    Fetch {
        conversation: ConversationId,
        after_seq: Option<i64>,
        before_seq: Option<i64>,
        limit: u16,
    },
    /// Answered by [`ChatReply::Changes`].
    FetchChanges { conversation: ConversationId, after_change: i64, limit: u16 },
    /// Answered by [`ChatReply::Done`].
    Receipt { conversation: ConversationId, delivered_seq: i64, read_seq: i64 },
    /// Answered by [`ChatReply::Done`].
    Typing { conversation: ConversationId, typing: bool },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ChatReply {
    State(ChatState),
    Acks(Vec<Answer<ChatAck>>),
    Changed(ChatChangeAck),
    Page(ChatPage),
    Changes(ChatChanges),
    Done,
}

/// Published after the commit, to every gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ChatEvent {
    /// Gateways turn a note into `hidden` for patients.
    Message {
        conversation: ConversationId,
        message: Message,
    },
    /// A message, after its change number `change`. Hidden from patients as above.
    Change {
        conversation: ConversationId,
        change: i64,
        message: Message,
    },
    /// Something was written whose rows the publisher does not hold; also the
    /// periodic beacon that uncovers a lost nudge.
    Head {
        conversation: ConversationId,
        head_seq: i64,
        #[serde(default)]
        head_change: i64,
    },
    Receipt(ReceiptView),
    Typing(TypingView),
}

/// For every connection of one person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PersonEvent {
    Frame(Box<ServerFrame>),
    /// Close the connections of this session (all sessions when absent).
    SessionRevoked {
        session: Option<SessionId>,
    },
    /// A newer connection of the same device took this one's place.
    Replaced {
        connection: ConnectionId,
    },
}

/// For every operator connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskEvent {
    pub topic: Topic,
    pub id: String,
}

/// A participant's wish, forwarded to the gateway that owns the call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRequest {
    pub actor: Actor,
    pub connection: ConnectionId,
    pub call: CallId,
    pub command: CallCommand,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CallCommand {
    Prepare {
        sdp: String,
    },
    Accept(CallAccept),
    Decline,
    HangUp,
    Offer {
        sdp: String,
    },
    Media(MediaState),
    Report(CallReport),
    Tiles(Vec<Tile>),
    Data {
        topic: String,
        payload: serde_json::Value,
        to: Option<PersonId>,
    },
    Mute {
        person: PersonId,
        allowed: MediaState,
    },
    Invite {
        person: PersonId,
        role: ParticipantRole,
    },
    Remove {
        person: PersonId,
    },
    /// Answered by [`CallReply::Joined`].
    Listen {
        sdp: String,
    },
    /// The gateway saw the participant's connection come, and which earlier one it
    /// continues. Answered by [`CallReply::View`].
    Connected {
        previous: Option<ConnectionId>,
    },
    /// The gateway saw the participant's connection go.
    Disconnected,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CallReply {
    /// SDP answer.
    Answer {
        sdp: String,
    },
    View(Box<CallView>),
    /// The call with an SDP answer.
    Joined {
        view: Box<CallView>,
        sdp: String,
    },
    Done,
}

/// Requests to a relay node. A room appears with its first participant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SfuRequest {
    /// Adds a participant by their offer. Answered by [`SfuReply::Answer`].
    Join {
        room: CallId,
        participant: PersonId,
        sdp: String,
        /// Of whom does not send, nothing is taken and nothing is shown to others.
        #[serde(default)]
        role: ParticipantRole,
    },
    /// A further offer of a participant. Answered by [`SfuReply::Answer`].
    Offer {
        room: CallId,
        participant: PersonId,
        sdp: String,
    },
    /// Starts or stops forwarding between the participants; a new room does not forward.
    SetForwarding {
        room: CallId,
        forwarding: bool,
    },
    /// What the participant sends; the relay drops what is muted.
    SetMedia {
        room: CallId,
        participant: PersonId,
        media: MediaState,
    },
    /// What the participant may send, whatever they say by `SetMedia`; everything
    /// until this is said.
    SetAllowed {
        room: CallId,
        participant: PersonId,
        allowed: MediaState,
    },
    /// How large the participant shows their receive slots.
    SetTiles {
        room: CallId,
        participant: PersonId,
        tiles: Vec<Tile>,
    },
    Leave {
        room: CallId,
        participant: PersonId,
    },
    Close {
        room: CallId,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SfuReply {
    Answer { sdp: String },
    Done,
}

/// Which of these rooms does the relay not have? Answered by [`SfuMissing`]; that nobody
/// answers says that it has none of them any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SfuCheck {
    pub rooms: Vec<CallId>,
}

/// Answer to [`SfuCheck`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SfuMissing {
    pub rooms: Vec<CallId>,
}

/// What a relay tells the owner of a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SfuEvent {
    /// ICE and DTLS are up.
    Connected {
        participant: PersonId,
        ice_ms: u32,
        dtls_ms: u32,
    },
    /// ICE consent was lost; the participant may come back by an ICE restart.
    Disconnected {
        participant: PersonId,
    },
    /// The session ended (DTLS closed, or never came up in time).
    Gone {
        participant: PersonId,
    },
    /// What the participant's receive slots carry.
    Slots {
        participant: PersonId,
        slots: Vec<MediaSlot>,
    },
    /// The participant's m-lines of these kinds do not suffice for what there is.
    OfferNeeded {
        participant: PersonId,
        #[serde(default)]
        audio_slots: u8,
        video_slots: u8,
    },
    /// First media packet forwarded to this participant.
    Flowing {
        participant: PersonId,
    },
    /// Every few seconds per participant.
    Quality {
        participant: PersonId,
        quality: QualityReport,
    },
    /// Which layers of a participant's source somebody watches, on each change;
    /// empty: nobody does.
    LayersWanted {
        participant: PersonId,
        source: TrackSource,
        rids: Vec<String>,
    },
    /// Who speaks in the room, loudest first, on each change; at most about three
    /// times a second.
    Speakers {
        speakers: Vec<Speaker>,
    },
    /// A track that should flow does not, or (with `over`) flows again.
    StuckMedia {
        /// Whose track.
        participant: PersonId,
        source: TrackSource,
        /// Who does not get it; absent: nobody does.
        receiver: Option<PersonId>,
        fault: MediaFault,
        over: bool,
    },
    /// The relay is about to stop and takes no new rooms: the room should go to another
    /// one, and be closed here when all have gone.
    Moving,
    RoomClosed,
}

/// A participant's media as the relay measured it since the last report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QualityReport {
    /// Share of the participant's packets that did not reach the relay, 0 to 1.
    pub loss_up: f32,
    /// Share of packets to the participant that were lost, 0 to 1.
    pub loss_down: f32,
    pub rtt_ms: Option<f32>,
    pub jitter_ms: Option<f32>,
    pub received_bps: u64,
    pub sent_bps: u64,
    /// What the relay believes the way to the participant to carry.
    #[serde(default)]
    pub estimate_bps: Option<u64>,
    /// One for each track that flowed. How good it sounds is judged where both ends
    /// of a track are known: by the owner of the call.
    #[serde(default)]
    pub tracks: Vec<TrackQuality>,
}

impl QualityReport {
    /// The word for it. Thresholds follow what listeners notice with Opus and
    /// loss concealment: about 3% loss is audible, over 10% hurts.
    pub fn level(&self) -> QualityLevel {
        let loss = self.loss_up.max(self.loss_down);
        let rtt = self.rtt_ms.unwrap_or(0.0);
        if loss > 0.10 || rtt > 600.0 {
            QualityLevel::Poor
        } else if loss > 0.03 || rtt > 300.0 {
            QualityLevel::Good
        } else {
            QualityLevel::Excellent
        }
    }
}

/// A gateway's leases. It is the only writer of its own connections; when it
/// stops beating, its entries go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PresenceBeat {
    pub gateway: NodeId,
    pub kind: BeatKind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum BeatKind {
    Joined {
        connection: ConnectionId,
        person: PersonId,
        kind: PersonKind,
    },
    Left {
        connection: ConnectionId,
        person: PersonId,
    },
    /// A part of the whole of the gateway's connections. All parts of a round
    /// together replace what was known. Sent about every 27 s, and when asked.
    Full(FullBeat),
    /// An operator chose a status.
    Status(ChosenStatus),
    /// An operator used a device. Said about once a minute while they do.
    Active {
        person: PersonId,
        at: TimestampMs,
    },
    /// An operator talks to somebody, or does not any more.
    InCall {
        person: PersonId,
        in_call: bool,
    },
    /// Every few seconds: the gateway lives, whatever its connections do.
    Alive,
    /// The gateway stops: drop its entries now.
    Stopping,
}

/// See [`BeatKind::Full`]. In parts, since a bus bounds its messages (NATS: 1 MB).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FullBeat {
    /// Counts the gateway's full beats.
    pub round: u64,
    /// From 0.
    pub part: u16,
    /// At least 1.
    pub parts: u16,
    pub connections: Vec<(ConnectionId, PersonId, PersonKind)>,
    /// What operators among them chose at this gateway.
    pub chosen: Vec<ChosenStatus>,
    /// When operators among them used a device for the last time.
    #[serde(default)]
    pub active: Vec<(PersonId, TimestampMs)>,
    /// Operators among them who are in a call; the others are not.
    #[serde(default)]
    pub in_call: Vec<PersonId>,
}

/// An operator's own word about themselves. Of two, the later one counts, also
/// when they were said at two gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChosenStatus {
    pub person: PersonId,
    pub status: PresenceStatus,
    pub at: TimestampMs,
}

/// See [`subject::PRESENCE_SYNC`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceSync {
    pub instance: NodeId,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PresenceRequest {
    /// Answered by [`PresenceReply::People`], in the order asked; at most 500.
    Query { people: Vec<PersonId> },
    /// Answered by [`PresenceReply::Operators`].
    OperatorsOnline,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PresenceReply {
    People(Vec<PersonPresence>),
    /// Ids of operators who are online or busy.
    Operators(Vec<PersonId>),
}

/// Changes, batched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PresenceEvent {
    pub people: Vec<PersonPresence>,
}

/// Answer of [`subject::SFU_PLACE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    pub node: NodeId,
}

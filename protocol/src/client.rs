//! Frames of the realtime protocol, `/rt/v1`.
//!
//! A client sends `{"id": 7, "type": "chat.send", "data": {...}}`; the answer is
//! `{"re": 7, "type": "chat.ack", "data": {...}}` or an `error` with the same
//! `re`. Frames without `re` are events. The first frame is `hello`, answered by
//! `welcome`; nothing else is accepted before it. An unknown frame or field gets
//! a typed error and the connection stays.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ts_rs::TS;

use crate::domain::{
    CallMedia, CallSubject, CallView, MediaSlot, MediaState, Message, PersonKind, PresenceStatus,
    QualityLevel, TimestampMs, TrackSource,
};
use crate::ids::{
    CallId, ClientChangeId, ClientMessageId, ConnectionId, ConversationId, FileId, PersonId,
    SessionId,
};
use crate::media::{
    MediaFault, MediaPath, ParticipantRole, Speaker, Tile, TrackFault, TrackQuality,
};

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", content = "data")]
#[ts(export, export_to = "realtime.ts")]
pub enum ClientFrame {
    #[serde(rename = "hello")]
    Hello(Hello),
    /// A fresh access token for the running session, before the old one expires.
    #[serde(rename = "auth.refresh")]
    AuthRefresh(AuthRefresh),
    #[serde(rename = "ping")]
    Ping(Empty),
    #[serde(rename = "chat.open")]
    ChatOpen(ChatOpen),
    #[serde(rename = "chat.close")]
    ChatClose(ChatClose),
    #[serde(rename = "chat.send")]
    ChatSend(ChatSend),
    #[serde(rename = "chat.edit")]
    ChatEdit(ChatEdit),
    #[serde(rename = "chat.delete")]
    ChatDelete(ChatDelete),
    #[serde(rename = "chat.fetch")]
    ChatFetch(ChatFetch),
    #[serde(rename = "chat.fetch_changes")]
    ChatFetchChanges(ChatFetchChanges),
    #[serde(rename = "chat.receipt")]
    ChatReceipt(ChatReceipt),
    #[serde(rename = "chat.typing")]
    ChatTyping(ChatTyping),
    #[serde(rename = "presence.set")]
    PresenceSet(PresenceSet),
    /// The person uses this device now. Said at most once a minute while it is so; an
    /// operator of whom nothing is heard for a while is shown as away. Writing and
    /// calling count without being said.
    #[serde(rename = "presence.active")]
    PresenceActive(Empty),
    #[serde(rename = "presence.watch")]
    PresenceWatch(PresenceWatch),
    /// Answered by `call.started`; by error `busy` when the other side is in another
    /// call (which is recorded), by `conflict` when the caller is.
    #[serde(rename = "call.start")]
    CallStart(CallStart),
    /// Callee, while it rings: connects media early; nothing flows before the accept.
    /// One device of a person holds the media; another one gets error `busy` and
    /// accepts with an offer of its own.
    #[serde(rename = "call.prepare")]
    CallPrepare(CallOffer),
    /// Exactly one device of the callee wins; the others get error `conflict`, or,
    /// when they have not tried, a `call.updated` that shows `connecting`: whoever
    /// sees that without having accepted was answered elsewhere and stops ringing.
    #[serde(rename = "call.accept")]
    CallAccept(CallAccept),
    #[serde(rename = "call.decline")]
    CallDecline(CallRef),
    /// Ends a call, or cancels one that still rings; a guest or a hidden listener only
    /// leaves. To hang up an ended call is no error.
    #[serde(rename = "call.hang_up")]
    CallHangUp(CallRef),
    /// A later offer: more slots, an ICE restart, or, known by its new certificate
    /// fingerprint, the offer of a new peer connection after a reload of the page.
    #[serde(rename = "call.offer")]
    CallOffer(CallOffer),
    #[serde(rename = "call.media")]
    CallMedia(CallMediaChange),
    /// The receiver's own measurement, for the call record and metrics.
    #[serde(rename = "call.report")]
    CallReport(CallReport),
    /// How large the receive slots are shown. Names all of them each time.
    #[serde(rename = "call.tiles")]
    CallTiles(CallTiles),
    /// A message to the other participants, not kept anywhere. Answered by `ok` when
    /// it was passed on, by `rate_limited` or `too_large` when it was not.
    #[serde(rename = "call.data")]
    CallData(CallData),
    /// The call's operator says what somebody may send. The relay drops the rest,
    /// whatever their client does; they are told by `call.updated`.
    #[serde(rename = "call.mute")]
    CallMute(CallMute),
    /// A side of an accepted call asks another operator in; it rings for them as
    /// for a callee. Errors: `busy` when they are in another call, `conflict` when the
    /// call has no place left.
    #[serde(rename = "call.invite")]
    CallInvite(CallInvite),
    /// The call's operator sends a guest out, or takes an invitation back.
    #[serde(rename = "call.remove")]
    CallRemove(CallRemove),
    /// A supervisor listens to a running call, unseen by its participants, and in the
    /// audit log. Answered by `call.started`; left by `call.hang_up`.
    #[serde(rename = "call.listen")]
    CallListen(CallOffer),
}

/// What the server sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", content = "data")]
#[ts(export, export_to = "realtime.ts")]
pub enum ServerFrame {
    #[serde(rename = "welcome")]
    Welcome(Box<Welcome>),
    #[serde(rename = "ok")]
    Ok(Empty),
    #[serde(rename = "pong")]
    Pong(Empty),
    #[serde(rename = "error")]
    Error(ErrorFrame),
    #[serde(rename = "chat.state")]
    ChatState(ChatState),
    #[serde(rename = "chat.ack")]
    ChatAck(ChatAck),
    #[serde(rename = "chat.page")]
    ChatPage(ChatPage),
    #[serde(rename = "chat.message")]
    ChatMessage(ChatMessage),
    /// Answer to `chat.edit` and `chat.delete`.
    #[serde(rename = "chat.change_ack")]
    ChatChangeAck(ChatChangeAck),
    /// A message was edited or deleted. Who has a gap in the numbers fetches.
    #[serde(rename = "chat.change")]
    ChatChange(ChatChange),
    /// Answer to `chat.fetch_changes`.
    #[serde(rename = "chat.changes")]
    ChatChanges(ChatChanges),
    /// The conversation's newest seq and change; a client that is behind fetches.
    #[serde(rename = "chat.head")]
    ChatHead(ChatHead),
    #[serde(rename = "chat.receipt")]
    ChatReceipt(ReceiptView),
    #[serde(rename = "chat.typing")]
    ChatTyping(TypingView),
    /// Something in a list changed: fetch it again.
    #[serde(rename = "changed")]
    Changed(Changed),
    #[serde(rename = "presence")]
    Presence(PresenceView),
    /// Answer to `call.start` and `call.listen`.
    #[serde(rename = "call.started")]
    CallStarted(CallStarted),
    /// Answer to `call.prepare`, `call.accept` with an offer, and `call.offer`.
    #[serde(rename = "call.answer")]
    CallAnswer(CallAnswer),
    #[serde(rename = "call.incoming")]
    CallIncoming(CallUpdate),
    /// To every connection of both: also to a person's devices that are not in the call.
    #[serde(rename = "call.updated")]
    CallUpdated(CallUpdate),
    #[serde(rename = "call.slots")]
    CallSlots(CallSlots),
    /// The relay needs more receive slots: send `call.offer` with at least these
    /// many audio and video m-lines.
    #[serde(rename = "call.offer_needed")]
    CallOfferNeeded(CallOfferNeeded),
    #[serde(rename = "call.quality")]
    CallQuality(CallQuality),
    /// To a sender: which layers of a source somebody watches. It may stop encoding
    /// the others.
    #[serde(rename = "call.layers")]
    CallLayers(CallLayers),
    /// Who speaks, on each change; nobody when it is empty. Loudest first.
    #[serde(rename = "call.speakers")]
    CallSpeakers(CallSpeakers),
    #[serde(rename = "call.moved")]
    CallMoved(CallMoved),
    #[serde(rename = "call.data")]
    CallData(CallDataView),
    /// A track that should flow does not, or (with `over`) flows again.
    #[serde(rename = "call.trouble")]
    CallTrouble(CallTrouble),
}

/// A payload without fields: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "realtime.ts")]
#[serde(deny_unknown_fields)]
#[ts(type = "Record<string, never>")]
pub struct Empty {}

macro_rules! payloads {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[$fmeta:meta])* pub $field:ident : $type:ty),* $(,)? })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
        #[ts(export, export_to = "realtime.ts")]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$fmeta])* pub $field: $type),* }
    )+};
}

payloads! {
    pub struct Hello {
        /// [`crate::PROTOCOL_VERSION`].
        pub protocol: u16,
        /// Access token, a JWT.
        pub token: String,
        /// Stable per installed app or browser profile; at most 64 characters.
        pub device: String,
        /// The connection that this one continues, if any: the server ends it at once.
        #[serde(default)]
        pub previous: Option<ConnectionId>,
    }
    pub struct AuthRefresh { pub token: String }
    /// Subscribes this connection to a conversation's events. Answered by
    /// `chat.state`; the position is read before the subscription's first event.
    pub struct ChatOpen { pub conversation: ConversationId }
    pub struct ChatClose { pub conversation: ConversationId }
    pub struct ChatSend {
        pub conversation: ConversationId,
        pub client_message_id: ClientMessageId,
        /// The seq of the message that this one answers. Ignored when that one cannot
        /// be quoted (any more).
        #[serde(default)]
        #[ts(type = "number | null")]
        pub reply_to: Option<i64>,
        pub body: SendBody,
    }
    /// Replaces the text, or a file's caption, of an own message. Refused as `conflict`
    /// when it is deleted or too old; see [`Limits::change_seconds`].
    pub struct ChatEdit {
        pub conversation: ConversationId,
        #[ts(type = "number")]
        pub seq: i64,
        pub client_change_id: ClientChangeId,
        pub text: String,
    }
    /// Takes an own message back, for everybody. Refused as an edit is.
    pub struct ChatDelete {
        pub conversation: ConversationId,
        #[ts(type = "number")]
        pub seq: i64,
        pub client_change_id: ClientChangeId,
    }
    /// The messages whose last change has a greater number, in the order of changes.
    pub struct ChatFetchChanges {
        pub conversation: ConversationId,
        #[ts(type = "number")]
        pub after_change: i64,
        /// 1 to 200.
        pub limit: u16,
    }
    /// Messages with `seq > after_seq` ascending, or the last ones with
    /// `seq < before_seq`; without either, the newest. Pages are ascending by seq.
    pub struct ChatFetch {
        pub conversation: ConversationId,
        #[serde(default)]
        #[ts(type = "number | null")]
        pub after_seq: Option<i64>,
        #[serde(default)]
        #[ts(type = "number | null")]
        pub before_seq: Option<i64>,
        /// 1 to 200.
        pub limit: u16,
    }
    /// High-water marks; a mark never moves back.
    pub struct ChatReceipt {
        pub conversation: ConversationId,
        #[ts(type = "number")]
        pub delivered_seq: i64,
        #[ts(type = "number")]
        pub read_seq: i64,
    }
    /// Expires by itself after 6 s without a renewal.
    pub struct ChatTyping { pub conversation: ConversationId, pub typing: bool }
    pub struct PresenceSet { pub status: PresenceStatus }
    /// Replaces the connection's watch list.
    pub struct PresenceWatch { pub people: Vec<PersonId> }
    /// Rings the other side. The offer carries one send-and-receive audio and one
    /// send-and-receive video m-line, whether or not the camera is on.
    pub struct CallStart {
        pub subject: CallSubject,
        pub media: CallMedia,
        pub state: MediaState,
        /// SDP offer.
        pub sdp: String,
    }
    pub struct CallRef { pub call: CallId }
    pub struct CallOffer { pub call: CallId, pub sdp: String }
    pub struct CallAccept {
        pub call: CallId,
        pub state: MediaState,
        /// An offer, when the client did not prepare while it rang. Answered by
        /// `call.answer`, otherwise by `ok`.
        #[serde(default)]
        pub sdp: Option<String>,
    }
    pub struct CallMediaChange { pub call: CallId, pub state: MediaState }
    pub struct CallReport {
        pub call: CallId,
        /// Milliseconds from the accept to the first decoded remote frame, once.
        #[serde(default)]
        pub first_frame_ms: Option<u32>,
        /// Of received audio, 0 to 100.
        #[serde(default)]
        pub loss_percent: Option<f32>,
        #[serde(default)]
        pub rtt_ms: Option<f32>,
        #[serde(default)]
        pub jitter_ms: Option<f32>,
        /// Freezes of remote video since the last report.
        #[serde(default)]
        pub freezes: Option<u32>,
        /// Share of received audio that the decoder had to make up, 0 to 100: what loss
        /// is left after retransmission, redundancy and late arrivals.
        #[serde(default)]
        pub concealed_percent: Option<f32>,
        /// Mean delay of received audio in the receiver's jitter buffer.
        #[serde(default)]
        pub jitter_buffer_ms: Option<f32>,
        /// What the sender's own congestion control believes to have, bits per second.
        #[serde(default)]
        #[ts(type = "number | null")]
        pub estimate_bps: Option<u64>,
        #[serde(default)]
        pub path: Option<MediaPath>,
        /// One for each track that is sent or received; at most 64.
        #[serde(default)]
        pub tracks: Vec<TrackQuality>,
        /// All that are wrong now; one that is no longer named is over. At most 16.
        #[serde(default)]
        pub faults: Vec<TrackFault>,
    }
    pub struct CallTiles {
        pub call: CallId,
        /// At most 64.
        pub tiles: Vec<Tile>,
    }
    pub struct CallData {
        pub call: CallId,
        /// What it is, as `hand` or `pointer`: 1 to 32 of `a-z`, `0-9`, `_`, `.`.
        pub topic: String,
        /// Any JSON, at most 2 KiB as text.
        #[ts(type = "unknown")]
        pub payload: serde_json::Value,
        /// One participant; absent: all the others.
        #[serde(default)]
        pub to: Option<PersonId>,
    }
    pub struct CallMute {
        pub call: CallId,
        pub person: PersonId,
        /// All that they may send from now on.
        pub allowed: MediaState,
    }
    pub struct CallInvite {
        pub call: CallId,
        /// An operator.
        pub person: PersonId,
        /// [`ParticipantRole::Member`] or [`ParticipantRole::Listener`].
        pub role: ParticipantRole,
    }
    pub struct CallRemove { pub call: CallId, pub person: PersonId }
    pub struct Welcome {
        pub protocol: u16,
        pub connection: ConnectionId,
        pub session: SessionId,
        pub person: PersonId,
        pub kind: PersonKind,
        pub server_time: TimestampMs,
        /// The server pings at this interval and closes after two without an answer.
        pub heartbeat_ms: u32,
        pub ice_servers: Vec<IceServer>,
        /// Calls that ring for, or hold, this person.
        pub calls: Vec<CallView>,
        /// The patient's own conversation. Operators open theirs by `chat.open`.
        pub conversation: Option<ConversationId>,
        pub limits: Limits,
    }
    /// `RTCIceServer` of WebRTC.
    pub struct IceServer {
        pub urls: Vec<String>,
        #[serde(default)]
        pub username: Option<String>,
        #[serde(default)]
        pub credential: Option<String>,
    }
    /// Bounds that a client should know before it runs into them.
    pub struct Limits {
        /// Characters of one text message.
        pub message_characters: u32,
        /// Bytes of one uploaded file.
        #[ts(type = "number")]
        pub file_bytes: u64,
        /// Seconds a call rings.
        pub ring_seconds: u32,
        /// Seconds after sending for which a message may be edited or deleted.
        pub change_seconds: u32,
    }
    pub struct ErrorFrame {
        pub code: ErrorCode,
        /// English, for developers; interfaces translate the code.
        pub message: String,
        #[serde(default)]
        pub retry_after_ms: Option<u32>,
    }
    pub struct ChatState {
        pub conversation: ConversationId,
        #[ts(type = "number")]
        pub head_seq: i64,
        /// Number of the last change; what is fetched now has it, and all before.
        #[serde(default)]
        #[ts(type = "number")]
        pub head_change: i64,
        /// Everybody's marks, the reader's own among them.
        pub receipts: Vec<ReceiptView>,
    }
    pub struct ChatAck {
        pub conversation: ConversationId,
        pub client_message_id: ClientMessageId,
        #[ts(type = "number")]
        pub seq: i64,
        pub sent_at: TimestampMs,
    }
    pub struct ChatPage {
        pub conversation: ConversationId,
        pub messages: Vec<Message>,
        #[ts(type = "number")]
        pub head_seq: i64,
        /// The messages are as after this change, or a later one: it was read before
        /// them. Who knows of later changes asks for those after this one again.
        #[serde(default)]
        #[ts(type = "number")]
        pub head_change: i64,
        /// More exist in the direction that was asked for.
        pub has_more: bool,
    }
    pub struct ChatMessage { pub conversation: ConversationId, pub message: Message }
    pub struct ChatChangeAck {
        pub conversation: ConversationId,
        pub client_change_id: ClientChangeId,
        #[ts(type = "number")]
        pub change: i64,
    }
    pub struct ChatChange {
        pub conversation: ConversationId,
        #[ts(type = "number")]
        pub change: i64,
        /// As it is now, perhaps changed again since.
        pub message: Message,
    }
    pub struct ChatChanges {
        pub conversation: ConversationId,
        pub messages: Vec<Message>,
        /// Who has applied these knows all changes up to this one.
        #[ts(type = "number")]
        pub up_to_change: i64,
        /// More exist after that.
        pub has_more: bool,
    }
    pub struct ChatHead {
        pub conversation: ConversationId,
        #[ts(type = "number")]
        pub head_seq: i64,
        #[serde(default)]
        #[ts(type = "number")]
        pub head_change: i64,
    }
    pub struct ReceiptView {
        pub conversation: ConversationId,
        pub person: PersonId,
        pub kind: PersonKind,
        #[ts(type = "number")]
        pub delivered_seq: i64,
        #[ts(type = "number")]
        pub read_seq: i64,
    }
    pub struct TypingView {
        pub conversation: ConversationId,
        pub person: PersonId,
        pub name: String,
        pub typing: bool,
    }
    pub struct Changed { pub topic: Topic, pub id: String }
    pub struct PresenceView { pub people: Vec<PersonPresence> }
    pub struct PersonPresence {
        pub person: PersonId,
        pub status: PresenceStatus,
        #[serde(default)]
        pub last_seen: Option<TimestampMs>,
    }
    pub struct CallStarted { pub call: CallView, pub sdp: String }
    pub struct CallAnswer { pub call: CallId, pub sdp: String }
    pub struct CallUpdate { pub call: CallView }
    pub struct CallSlots { pub call: CallId, pub slots: Vec<MediaSlot> }
    pub struct CallOfferNeeded {
        pub call: CallId,
        #[serde(default)]
        pub audio_slots: u8,
        pub video_slots: u8,
    }
    /// The level goes to everybody when it changes; the figures go to the person
    /// themselves with each report.
    pub struct CallQuality {
        pub call: CallId,
        pub person: PersonId,
        pub level: QualityLevel,
        /// Mean opinion score of what they hear, 1 to 4.5 (ITU-T G.107).
        #[serde(default)]
        pub mos: Option<f32>,
        /// Share of packets lost on the worse way, 0 to 1.
        #[serde(default)]
        pub loss: Option<f32>,
        #[serde(default)]
        pub rtt_ms: Option<f32>,
    }
    pub struct CallLayers {
        pub call: CallId,
        pub source: TrackSource,
        /// Of `q`, `h`, `f`; empty: nobody watches.
        pub rids: Vec<String>,
    }
    pub struct CallMoved { pub call: CallId }
    pub struct CallSpeakers { pub call: CallId, pub speakers: Vec<Speaker> }
    pub struct CallDataView {
        pub call: CallId,
        pub from: PersonId,
        pub topic: String,
        #[ts(type = "unknown")]
        pub payload: serde_json::Value,
    }
    pub struct CallTrouble {
        pub call: CallId,
        /// Whose track.
        pub person: PersonId,
        pub source: TrackSource,
        /// Who does not get it; absent: nobody does.
        #[serde(default)]
        pub receiver: Option<PersonId>,
        pub fault: MediaFault,
        pub over: bool,
    }
}

impl CallReport {
    /// A report that says nothing yet.
    pub const fn of(call: CallId) -> Self {
        Self {
            call,
            first_frame_ms: None,
            loss_percent: None,
            rtt_ms: None,
            jitter_ms: None,
            freezes: None,
            concealed_percent: None,
            jitter_buffer_ms: None,
            estimate_bps: None,
            path: None,
            tracks: Vec::new(),
            faults: Vec::new(),
        }
    }
}

/// What a client may write. A file is uploaded first, then sent by id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "realtime.ts")]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SendBody {
    Text {
        text: String,
    },
    File {
        file: FileId,
        caption: String,
    },
    /// Operators only.
    Note {
        text: String,
    },
}

/// Lists that a `changed` event can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[ts(export, export_to = "realtime.ts")]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    Consultations,
    Callbacks,
    Operators,
    Patient,
}

/// Errors of the realtime protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[ts(export, export_to = "realtime.ts")]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Not JSON, not an envelope, an unknown field or a wrong type.
    BadFrame,
    UnknownFrame,
    ProtocolVersion,
    Unauthenticated,
    Forbidden,
    NotFound,
    /// The state does not allow it (any more): the call has ended, the consultation is closed.
    Conflict,
    TooLarge,
    RateLimited,
    Busy,
    /// A part of the house is away; try again.
    Unavailable,
    Internal,
}

/// A client frame with its correlation id, before its type is known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(default)]
    id: Option<u32>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// A parsed client frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// Echoed as `re` in the answer.
    pub id: Option<u32>,
    pub frame: ClientFrame,
}

/// Why a client frame could not be read. `id` is set when at least the envelope was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code:?}: {message}")]
pub struct BadFrame {
    pub id: Option<u32>,
    pub code: ErrorCode,
    pub message: String,
}

impl ClientFrame {
    /// Every `type` a client may send.
    pub const TYPES: [&'static str; 29] = [
        "hello",
        "auth.refresh",
        "ping",
        "chat.open",
        "chat.close",
        "chat.send",
        "chat.edit",
        "chat.delete",
        "chat.fetch",
        "chat.fetch_changes",
        "chat.receipt",
        "chat.typing",
        "presence.set",
        "presence.active",
        "presence.watch",
        "call.start",
        "call.prepare",
        "call.accept",
        "call.decline",
        "call.hang_up",
        "call.offer",
        "call.media",
        "call.report",
        "call.tiles",
        "call.data",
        "call.mute",
        "call.invite",
        "call.remove",
        "call.listen",
    ];

    /// The frame's `type`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::AuthRefresh(_) => "auth.refresh",
            Self::Ping(_) => "ping",
            Self::ChatOpen(_) => "chat.open",
            Self::ChatClose(_) => "chat.close",
            Self::ChatSend(_) => "chat.send",
            Self::ChatEdit(_) => "chat.edit",
            Self::ChatDelete(_) => "chat.delete",
            Self::ChatFetch(_) => "chat.fetch",
            Self::ChatFetchChanges(_) => "chat.fetch_changes",
            Self::ChatReceipt(_) => "chat.receipt",
            Self::ChatTyping(_) => "chat.typing",
            Self::PresenceSet(_) => "presence.set",
            Self::PresenceActive(_) => "presence.active",
            Self::PresenceWatch(_) => "presence.watch",
            Self::CallStart(_) => "call.start",
            Self::CallPrepare(_) => "call.prepare",
            Self::CallAccept(_) => "call.accept",
            Self::CallDecline(_) => "call.decline",
            Self::CallHangUp(_) => "call.hang_up",
            Self::CallOffer(_) => "call.offer",
            Self::CallMedia(_) => "call.media",
            Self::CallReport(_) => "call.report",
            Self::CallTiles(_) => "call.tiles",
            Self::CallData(_) => "call.data",
            Self::CallMute(_) => "call.mute",
            Self::CallInvite(_) => "call.invite",
            Self::CallRemove(_) => "call.remove",
            Self::CallListen(_) => "call.listen",
        }
    }

    /// Reads one text frame.
    ///
    /// # Errors
    /// [`ErrorCode::BadFrame`] for anything that is not the documented shape,
    /// [`ErrorCode::UnknownFrame`] for a `type` this version does not know.
    pub fn parse(text: &str) -> Result<Incoming, BadFrame> {
        let bad = |id, code, message: String| BadFrame { id, code, message };
        let envelope: Envelope<'_> = serde_json::from_str(text)
            .map_err(|error| bad(None, ErrorCode::BadFrame, error.to_string()))?;
        let Envelope { id, kind, data } = envelope;
        if !Self::TYPES.contains(&kind.as_str()) {
            return Err(bad(id, ErrorCode::UnknownFrame, "unknown frame type".to_owned()));
        }
        let data = data.map_or("{}", RawValue::get);
        // `kind` is one of our own literals here, so it needs no escaping.
        let whole = format!(r#"{{"type":"{kind}","data":{data}}}"#);
        let frame = serde_json::from_str(&whole)
            .map_err(|error| bad(id, ErrorCode::BadFrame, error.to_string()))?;
        Ok(Incoming { id, frame })
    }
}

/// The `id` of a frame that is not going to be read further, so that its refusal can
/// answer it. Absent when the text is no envelope.
pub fn request_id(text: &str) -> Option<u32> {
    #[derive(Deserialize)]
    struct Id {
        #[serde(default)]
        id: Option<u32>,
    }
    serde_json::from_str::<Id>(text).ok()?.id
}

/// A server frame with the id of the request it answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outgoing {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re: Option<u32>,
    #[serde(flatten)]
    pub frame: ServerFrame,
}

impl Outgoing {
    pub const fn event(frame: ServerFrame) -> Self {
        Self { re: None, frame }
    }

    pub const fn reply(re: Option<u32>, frame: ServerFrame) -> Self {
        Self { re, frame }
    }

    /// The frame as JSON text.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("server frames have string keys and finite numbers")
    }
}

/// WebSocket close codes, from the private range of RFC 6455, section 7.4.2.
///
/// Two standard codes are used beside them: 1002 for bytes that are not the
/// WebSocket protocol or a frame far over the size limit, 1013 when the house
/// cannot check who is asking and the client should come back later.
pub mod close {
    /// RFC 6455: the bytes cannot be read, or the frame is far too large.
    pub const UNREADABLE: u16 = 1002;
    /// IANA registry: try again later.
    pub const TRY_AGAIN_LATER: u16 = 1013;
    /// The hello was missing, late or malformed.
    pub const BAD_HELLO: u16 = 4000;
    /// The token is missing, expired or not ours: get a new one, then reconnect.
    pub const UNAUTHENTICATED: u16 = 4001;
    /// The session was ended: sign in again.
    pub const SESSION_REVOKED: u16 = 4002;
    /// This client speaks a protocol version the server does not.
    pub const PROTOCOL_VERSION: u16 = 4003;
    /// The client did not read fast enough, or did not answer two pings:
    /// reconnect and resume.
    pub const SLOW_CONSUMER: u16 = 4008;
    /// Too many frames, or too many connections of one person: reconnect after a pause.
    pub const RATE_LIMITED: u16 = 4009;
    /// The server stops: reconnect when the reason says, or after a random part of a
    /// second.
    pub const DRAINING: u16 = 4010;
    /// Continued by a newer connection of the same device.
    pub const REPLACED: u16 = 4011;

    /// The close frame's reason: a word for developers, and for how long the client
    /// should stay away before it connects again, as `draining retry_ms=1500`.
    pub fn reason(word: &str, retry_ms: Option<u64>) -> String {
        retry_ms.map_or_else(|| word.to_owned(), |ms| format!("{word} retry_ms={ms}"))
    }
}

//! The words that several messages share.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::ids::{CallId, CallbackId, ConsultationId, ConversationId, FileId, PersonId};
use crate::media::{ParticipantRole, SlotPause};

/// Milliseconds since the Unix epoch, UTC.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, ToSchema,
)]
#[ts(export, export_to = "realtime.ts")]
#[serde(transparent)]
#[ts(type = "number")]
pub struct TimestampMs(pub i64);

impl TimestampMs {
    /// Reads the wall clock.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }
}

impl From<jiff::Timestamp> for TimestampMs {
    fn from(at: jiff::Timestamp) -> Self {
        Self(at.as_millisecond())
    }
}

/// Which kind of account a person signed in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
#[serde(rename_all = "snake_case")]
pub enum PersonKind {
    Patient,
    Operator,
}

/// What an operator is allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Takes consultations of their specialty and general ones.
    Doctor,
    /// Takes any consultation and any callback.
    Desk,
    /// As the desk, and reads every conversation and archive.
    Supervisor,
    /// Manages operators; reads no patient's record.
    Admin,
}

impl Role {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Doctor => "doctor",
            Self::Desk => "desk",
            Self::Supervisor => "supervisor",
            Self::Admin => "admin",
        }
    }
}

/// State of a consultation: `waiting -> active -> closed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
#[serde(rename_all = "snake_case")]
pub enum ConsultationState {
    Waiting,
    Active,
    Closed,
}

/// State of a callback request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
#[serde(rename_all = "snake_case")]
pub enum CallbackState {
    New,
    InProgress,
    Done,
    Cancelled,
}

/// A file as a message shows it. The bytes are at `/api/v1/files/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
#[serde(deny_unknown_fields)]
pub struct FileView {
    pub id: FileId,
    pub name: String,
    /// Sniffed from the content, never taken from the uploader.
    pub media_type: String,
    #[ts(type = "number")]
    pub size_bytes: i64,
    /// Pixels, for images.
    pub width: Option<i32>,
    pub height: Option<i32>,
    pub state: FileState,
    /// A small JPEG can be had at `/api/v1/files/{id}/thumbnail`.
    pub has_thumbnail: bool,
}

/// Whether a file's bytes can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "realtime.ts")]
pub enum FileState {
    Ready,
    /// The scanner has not spoken yet.
    Checking,
    /// The scanner found something; the bytes are gone.
    Refused,
}

impl FileState {
    /// As the database says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Checking => "checking",
            Self::Refused => "refused",
        }
    }

    /// The state of this name, if there is one.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Ready, Self::Checking, Self::Refused].into_iter().find(|it| it.as_str() == name)
    }
}

/// One message of a conversation. `seq` has no gaps within a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
pub struct Message {
    #[ts(type = "number")]
    pub seq: i64,
    /// Absent for system messages.
    pub sender: Option<PersonId>,
    /// Display name of the sender at the time of writing.
    pub sender_name: Option<String>,
    pub sender_kind: Option<PersonKind>,
    /// Present on the sender's own messages so that a client can match its outbox.
    #[ts(type = "string | null")]
    pub client_message_id: Option<crate::ids::ClientMessageId>,
    pub consultation: Option<ConsultationId>,
    pub sent_at: TimestampMs,
    /// The message that this one answers.
    #[serde(default)]
    pub reply_to: Option<Quote>,
    /// Set when the text is not the first one.
    #[serde(default)]
    pub edited_at: Option<TimestampMs>,
    /// Number of the last change of this message in its conversation; 0 when it never
    /// was changed. Of two versions the one with the higher number is the newer.
    #[serde(default)]
    #[ts(type = "number")]
    pub change: i64,
    pub body: MessageBody,
}

impl Message {
    /// Whether patients see less of it than operators do.
    pub fn has_operators_words(&self) -> bool {
        matches!(self.body, MessageBody::Note { .. } | MessageBody::DeletedNote)
            || self.reply_to.as_ref().is_some_and(|quote| quote.body.is_of_note())
    }

    /// The message as a reader of this kind may see it: patients see that there
    /// is a note's place in the order, but neither its text nor its author.
    #[must_use]
    pub fn seen_by(mut self, reader: PersonKind) -> Self {
        if reader == PersonKind::Operator || !self.has_operators_words() {
            return self;
        }
        self.reply_to = None;
        if matches!(self.body, MessageBody::Note { .. } | MessageBody::DeletedNote) {
            self.sender = None;
            self.sender_name = None;
            self.sender_kind = None;
            self.client_message_id = None;
            self.edited_at = None;
            self.body = MessageBody::Hidden;
        }
        self
    }
}

/// Characters of a quoted text.
pub const QUOTE_CHARACTERS: usize = 160;

/// An earlier message, as a reply to it shows it now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
pub struct Quote {
    #[ts(type = "number")]
    pub seq: i64,
    pub sender: Option<PersonId>,
    pub sender_name: Option<String>,
    pub sender_kind: Option<PersonKind>,
    pub body: QuoteBody,
}

/// What a quoted message says, cut to [`QUOTE_CHARACTERS`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum QuoteBody {
    Text { text: String },
    File { name: String, media_type: String, caption: String },
    Note { text: String },
    Deleted,
    DeletedNote,
}

impl QuoteBody {
    const fn is_of_note(&self) -> bool {
        matches!(self, Self::Note { .. } | Self::DeletedNote)
    }
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MessageBody {
    Text {
        text: String,
    },
    /// A file with an optional caption (may be empty).
    File {
        file: FileView,
        caption: String,
    },
    /// Seen by operators only.
    Note {
        text: String,
    },
    System {
        event: SystemEvent,
    },
    /// Its author took it back.
    Deleted,
    /// As [`Self::Deleted`], of a note.
    DeletedNote,
    /// Stands where a reader may not see the message, so that `seq` stays gapless.
    Hidden,
}

/// Events written into the conversation by the house itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum SystemEvent {
    ConsultationOpened {
        consultation: ConsultationId,
        number: i64,
        specialty: Option<String>,
    },
    ConsultationClaimed {
        consultation: ConsultationId,
        operator: PersonId,
        operator_name: String,
        /// Seconds the patient waited in the queue.
        waited_s: i64,
    },
    /// Handed to another operator, or back to the queue when `operator` is absent.
    ConsultationTransferred {
        consultation: ConsultationId,
        operator: Option<PersonId>,
        operator_name: Option<String>,
        specialty: Option<String>,
    },
    ConsultationClosed {
        consultation: ConsultationId,
        operator: Option<PersonId>,
        operator_name: Option<String>,
        /// The doctor's conclusion, shown to the patient; may be empty.
        summary: String,
    },
    CallbackRequested {
        callback: CallbackId,
        reason: String,
        /// Absent means as soon as possible.
        call_at: Option<TimestampMs>,
    },
    CallbackDone {
        callback: CallbackId,
    },
    CallbackCancelled {
        callback: CallbackId,
    },
    CallEnded {
        call: CallId,
        media: CallMedia,
        reason: EndReason,
        started_by: PersonId,
        started_by_name: String,
        /// Seconds of talk; zero for a call that was not answered.
        duration_s: i64,
    },
}

/// What a call carries when it starts. Either side may add video later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
#[serde(rename_all = "snake_case")]
pub enum CallMedia {
    Audio,
    Video,
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Somebody hung up after talking.
    HungUp,
    /// The callee pressed decline.
    Declined,
    /// Nobody answered in time.
    NoAnswer,
    /// The callee was in another call.
    Busy,
    /// The caller gave up before an answer.
    Cancelled,
    /// A side was gone for longer than the grace period.
    ConnectionLost,
    /// The house failed: no relay, or a restart.
    Failed,
}

impl EndReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HungUp => "hung_up",
            Self::Declined => "declined",
            Self::NoAnswer => "no_answer",
            Self::Busy => "busy",
            Self::Cancelled => "cancelled",
            Self::ConnectionLost => "connection_lost",
            Self::Failed => "failed",
        }
    }
}

/// State of a call as clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    Ringing,
    /// Accepted; media is not yet flowing both ways.
    Connecting,
    Active,
    Ended,
}

/// What a call is about: it needs one of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum CallSubject {
    Consultation(ConsultationId),
    Callback(CallbackId),
}

/// A field of medicine, in both languages of the interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
pub struct Specialty {
    /// Stable code, as `cardiology`.
    pub code: String,
    /// Name of the field: Терапия / General practice.
    pub name_ru: String,
    pub name_en: String,
    /// Name of the doctor: Терапевт / General practitioner.
    pub doctor_ru: String,
    pub doctor_en: String,
}

/// One side of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
pub struct CallParty {
    pub person: PersonId,
    pub name: String,
    pub kind: PersonKind,
    /// Of an operator who has one.
    pub specialty: Option<Specialty>,
    pub media: MediaState,
    /// Set while the person's signaling or media connection is down.
    pub reconnecting: bool,
    #[serde(default)]
    pub role: ParticipantRole,
    /// What the house lets them send. What is not allowed is off in `media`, and the
    /// relay drops it whatever the client does.
    #[serde(default = "MediaState::all")]
    pub allowed: MediaState,
}

/// Somebody whom a side of the call invited to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
pub struct CallGuest {
    pub party: CallParty,
    pub invited_by: PersonId,
    /// It still rings for them.
    pub ringing: bool,
}

/// What a participant sends now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
#[serde(deny_unknown_fields)]
pub struct MediaState {
    pub microphone: bool,
    pub camera: bool,
    pub screen: bool,
}

impl MediaState {
    pub const ALL: Self = Self { microphone: true, camera: true, screen: true };

    const fn all() -> Self {
        Self::ALL
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            microphone: self.microphone && other.microphone,
            camera: self.camera && other.camera,
            screen: self.screen && other.screen,
        }
    }

    /// What is in this one alone.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self {
            microphone: self.microphone && !other.microphone,
            camera: self.camera && !other.camera,
            screen: self.screen && !other.screen,
        }
    }

    pub const fn has(self, source: TrackSource) -> bool {
        match source {
            TrackSource::Microphone => self.microphone,
            TrackSource::Camera => self.camera,
            TrackSource::Screen => self.screen,
        }
    }
}

/// A call as its participants see it. Always the whole state, so that a client
/// that missed an update is right again after the next one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
pub struct CallView {
    pub id: CallId,
    pub conversation: ConversationId,
    pub subject: CallSubject,
    pub media: CallMedia,
    pub state: CallState,
    pub caller: CallParty,
    pub callee: CallParty,
    /// Who else was invited, in the order of the invitations. A hidden listener
    /// is in nobody's view but their own.
    #[serde(default)]
    pub guests: Vec<CallGuest>,
    pub created_at: TimestampMs,
    pub accepted_at: Option<TimestampMs>,
    pub ended: Option<EndReason>,
}

/// Where a remote track arrives in the receiver's peer connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
pub struct MediaSlot {
    /// The m-line's `a=mid`.
    pub mid: String,
    /// Whose track is in the slot; absent when the slot is free.
    pub person: Option<PersonId>,
    pub source: Option<TrackSource>,
    /// Set while the relay sends nothing of the track.
    #[serde(default)]
    pub pause: Option<SlotPause>,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, ToSchema,
)]
#[ts(export, export_to = "realtime.ts")]
#[serde(rename_all = "snake_case")]
pub enum TrackSource {
    Microphone,
    Camera,
    Screen,
}

impl TrackSource {
    pub const ALL: [Self; 3] = [Self::Microphone, Self::Camera, Self::Screen];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Microphone => "microphone",
            Self::Camera => "camera",
            Self::Screen => "screen",
        }
    }
}

/// How a participant's media fares, in the words the interface uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
#[serde(rename_all = "snake_case")]
pub enum QualityLevel {
    Excellent,
    Good,
    Poor,
    Lost,
}

/// What an operator chose, or what a patient's devices imply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[ts(export, export_to = "realtime.ts")]
#[serde(rename_all = "snake_case")]
pub enum PresenceStatus {
    Online,
    Busy,
    Away,
    Offline,
}

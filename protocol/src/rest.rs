//! Bodies of `/api/v1`. Errors are RFC 9457 problem details, [`Problem`].

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::domain::Specialty;
use crate::domain::{
    CallMedia, CallbackState, ConsultationState, EndReason, FileView, PersonKind, PresenceStatus,
    Role, TimestampMs, TrackSource,
};
use crate::ids::{
    CallId, CallbackId, ConsultationId, ConversationId, FileId, PersonId, SessionId, StreamLinkId,
};
use crate::media::{Direction, MediaFault, MediaPath, ParticipantRole, StreamDirection};

macro_rules! bodies {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[$fmeta:meta])* pub $field:ident : $type:ty),* $(,)? })+) => {$(
        $(#[$meta])*
        #[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
        pub struct $name { $($(#[$fmeta])* pub $field: $type),* }
    )+};
}

bodies! {
    /// RFC 9457 problem details, `application/problem+json`.
    #[derive(Debug)]
    pub struct Problem {
        /// A relative URI that names the kind of problem, as `/problems/already-claimed`.
        #[serde(rename = "type")]
        pub kind: String,
        pub title: String,
        pub status: u16,
        /// English, for developers; interfaces translate `type`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub detail: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub retry_after_s: Option<u32>,
        /// For `already-claimed` and `already-taken`: who has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub holder: Option<PersonName>,
        /// For `invalid-body`: the field at fault.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub field: Option<String>,
        /// For wrong codes: tries left.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub tries_left: Option<u32>,
    }
    #[derive(Debug)]
    pub struct PersonName { pub id: PersonId, pub name: String }

    /// Brand and public settings; needs no sign-in.
    #[derive(Debug)]
    pub struct Brand {
        pub name: String,
        /// CSS colours by token: `brand`, `brand-strong`, `brand-soft`, `sidebar`.
        pub colors: std::collections::BTreeMap<String, String>,
        /// A data or relative URL; absent means the built-in mark.
        pub logo_url: Option<String>,
        pub support_phone: Option<String>,
        /// Demo data are loaded: pages may show demo hints.
        pub demo: bool,
        /// Largest upload, bytes.
        pub max_file_bytes: u64,
        /// Longest text message, characters.
        pub max_message_characters: u32,
    }

    pub struct CodeRequest {
        /// E.164 with or without spaces, brackets and dashes.
        pub phone: String,
    }
    pub struct CodeSent {
        pub expires_in_s: u32,
        pub resend_after_s: u32,
        /// In demo mode only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub demo_code: Option<String>,
    }
    pub struct CodeVerify {
        pub phone: String,
        /// Six digits.
        pub code: String,
        /// Stable per browser profile or installed app; at most 64 characters.
        pub device: String,
    }
    pub struct PasswordLogin { pub email: String, pub password: String, pub device: String }
    pub struct TokenResponse {
        /// JWT for `Authorization: Bearer` and the realtime hello. The refresh token
        /// travels in an HttpOnly cookie.
        pub access_token: String,
        pub expires_in_s: u32,
        pub me: Me,
    }
    /// The signed-in person.
    pub struct Me {
        pub id: PersonId,
        pub kind: PersonKind,
        pub session: SessionId,
        pub name: String,
        /// Patients.
        pub phone: Option<String>,
        pub conversation: Option<ConversationId>,
        pub birth_date: Option<String>,
        pub city: Option<String>,
        /// IANA name.
        pub time_zone: Option<String>,
        /// A patient who has not yet said their name.
        pub needs_profile: bool,
        /// Operators.
        pub email: Option<String>,
        pub role: Option<Role>,
        pub specialty: Option<Specialty>,
    }
    /// Absent fields stay as they are.
    pub struct MeUpdate {
        #[serde(default)]
        pub name: Option<String>,
        /// `YYYY-MM-DD`.
        #[serde(default)]
        pub birth_date: Option<String>,
        #[serde(default)]
        pub city: Option<String>,
        #[serde(default)]
        pub time_zone: Option<String>,
    }
    pub struct DeviceSession {
        pub id: SessionId,
        pub user_agent: String,
        pub created_at: TimestampMs,
        pub last_used_at: TimestampMs,
        pub current: bool,
    }

    /// The patient's start page.
    pub struct PatientHome {
        pub conversation: ConversationId,
        /// Operators who can answer now.
        pub doctors_online: u32,
        /// Median seconds from question to claim over recent consultations.
        pub typical_wait_s: Option<u32>,
        /// Waiting or active.
        pub open: Option<ConsultationSummary>,
        /// The last closed one.
        pub last: Option<ConsultationSummary>,
        /// New or in progress.
        pub callback: Option<Callback>,
        pub unread: u32,
    }

    pub struct PatientBrief {
        pub id: PersonId,
        pub name: String,
        /// Whole years, when the birth date is known.
        pub age: Option<i32>,
    }
    pub struct OperatorBrief {
        pub id: PersonId,
        pub name: String,
        pub specialty: Option<Specialty>,
    }
    pub struct LastMessage {
        pub seq: i64,
        pub sent_at: TimestampMs,
        pub from: Option<PersonKind>,
        /// `text`, `file`, `note`, `system` or `deleted`.
        pub kind: String,
        /// At most 140 characters of text, or the file's name.
        pub preview: String,
    }
    /// A message that was searched for.
    pub struct MessageHit {
        pub conversation: ConversationId,
        pub seq: i64,
        /// Where the reader sees the conversation: the consultation they hold, else the
        /// message's own, else the newest that they may open. Null when there is none.
        pub consultation: Option<ConsultationId>,
        pub sent_at: TimestampMs,
        /// Whose conversation it is.
        pub patient: PatientBrief,
        pub from: PersonKind,
        pub sender_name: String,
        /// `text`, `file` or `note`.
        pub kind: String,
        /// The file's name; empty when there is none.
        pub file_name: Vec<SnippetPart>,
        /// The text, or the file's caption, around the first word found.
        pub snippet: Vec<SnippetPart>,
    }
    pub struct SnippetPart {
        pub text: String,
        /// It is (the beginning of) a word that was looked for.
        pub hit: bool,
    }
    pub struct MessageHitPage {
        pub items: Vec<MessageHit>,
        pub next: Option<String>,
    }
    pub struct ConsultationSummary {
        pub id: ConsultationId,
        /// What people say on the phone: № 10 482.
        pub number: i64,
        pub state: ConsultationState,
        pub conversation: ConversationId,
        pub patient: PatientBrief,
        pub operator: Option<OperatorBrief>,
        pub specialty: Option<Specialty>,
        pub opened_at: TimestampMs,
        /// Start of the present wait (a transfer to the queue restarts it).
        pub waiting_since: Option<TimestampMs>,
        pub claimed_at: Option<TimestampMs>,
        pub closed_at: Option<TimestampMs>,
        /// Conclusion given at closing.
        pub summary: Option<String>,
        pub last_message: Option<LastMessage>,
        /// Messages of the other side that the reader has not read.
        pub unread: u32,
        /// Position in the queue, from 1, while waiting.
        pub queue_position: Option<u32>,
    }
    pub struct ConsultationPage {
        pub items: Vec<ConsultationSummary>,
        /// Pass as `after` for the next page; absent at the end.
        pub next: Option<String>,
        /// Totals for the tabs of the desk.
        pub counts: ConsultationCounts,
    }
    pub struct ConsultationCounts { pub waiting: u32, pub mine: u32, pub active: u32 }
    pub struct ConsultationClose {
        /// Conclusion for the patient; may be empty.
        pub summary: String,
    }
    /// To one operator, or back to the queue (of a specialty).
    pub struct ConsultationTransfer {
        #[serde(default)]
        pub operator: Option<PersonId>,
        #[serde(default)]
        pub specialty: Option<String>,
    }
    /// The wish of a waiting patient: which doctor they would like.
    pub struct ConsultationOpen {
        #[serde(default)]
        pub specialty: Option<String>,
    }

    pub struct Callback {
        pub id: CallbackId,
        pub state: CallbackState,
        pub conversation: ConversationId,
        pub patient: PatientBrief,
        pub phone: String,
        pub reason: String,
        /// Absent: as soon as possible.
        pub call_at: Option<TimestampMs>,
        /// The patient's zone, IANA name.
        pub time_zone: Option<String>,
        pub created_at: TimestampMs,
        pub operator: Option<OperatorBrief>,
        pub taken_at: Option<TimestampMs>,
        pub finished_at: Option<TimestampMs>,
        pub attempts: Vec<CallbackAttempt>,
        /// Past its time (or past 10 minutes, for as soon as possible) and not done.
        pub overdue: bool,
    }
    pub struct CallbackAttempt {
        pub at: TimestampMs,
        pub operator_name: String,
        /// `hung_up` is a talk; anything else is a failed attempt.
        pub outcome: crate::domain::EndReason,
        pub duration_s: i64,
    }
    pub struct CallbackCreate {
        /// 1 to 500 characters.
        pub reason: String,
        #[serde(default)]
        pub call_at: Option<TimestampMs>,
    }
    pub struct CallbackPage {
        pub items: Vec<Callback>,
        pub next: Option<String>,
        pub counts: CallbackCounts,
    }
    pub struct CallbackCounts { pub new: u32, pub in_progress: u32, pub overdue: u32 }

    pub struct CallPage {
        pub items: Vec<CallListItem>,
        /// Pass as `after` for the next page; absent at the end.
        pub next: Option<String>,
    }
    pub struct CallListItem {
        pub id: CallId,
        pub conversation: ConversationId,
        pub consultation: Option<ConsultationId>,
        pub callback: Option<CallbackId>,
        pub patient: PatientBrief,
        pub operator: OperatorBrief,
        pub media: CallMedia,
        pub started_by: PersonKind,
        pub created_at: TimestampMs,
        pub accepted_at: Option<TimestampMs>,
        /// Absent while it runs.
        pub ended_at: Option<TimestampMs>,
        pub reason: Option<EndReason>,
        /// Seconds of talk; zero for a call that was not answered or still runs.
        pub duration_s: i64,
        /// Invited colleagues; who listened unseen is not counted.
        pub guests: u32,
        /// The worst mean opinion score (ITU-T G.107) of a participant, over the call.
        pub mos: Option<f32>,
        /// Tracks that should have flowed and did not.
        pub faults: u32,
    }
    /// A call with everybody who was in it.
    pub struct CallRecord { pub call: CallListItem, pub participants: Vec<CallParticipant> }
    pub struct CallParticipant {
        pub person: PersonId,
        pub name: String,
        pub kind: PersonKind,
        /// Who listened unseen is shown to supervisors only.
        pub role: ParticipantRole,
        /// Of a guest: when they were invited, or began to listen.
        pub came_at: Option<TimestampMs>,
        pub left_at: Option<TimestampMs>,
        /// Absent when the call still runs, or nothing was measured.
        pub quality: Option<ParticipantQuality>,
    }
    /// How the call was for one participant. Shares are 0 to 1; absent is what nobody
    /// measured.
    pub struct ParticipantQuality {
        /// Mean opinion score of what they heard (ITU-T G.107), 1 to 4.5.
        pub mos_mean: Option<f32>,
        pub mos_min: Option<f32>,
        /// From them to the relay.
        pub loss_up: Option<f32>,
        pub loss_up_max: Option<f32>,
        /// From the relay to them.
        pub loss_down: Option<f32>,
        pub loss_down_max: Option<f32>,
        pub rtt_ms: Option<f32>,
        pub rtt_max_ms: Option<f32>,
        pub jitter_ms: Option<f32>,
        /// From them to the relay.
        pub received_bps: Option<f32>,
        /// From the relay to them.
        pub sent_bps: Option<f32>,
        pub freezes: u32,
        pub first_frame_ms: Option<u32>,
        pub path: Option<MediaPath>,
        pub tracks: Vec<TrackRecord>,
        pub faults: Vec<FaultRecord>,
    }
    #[derive(Debug)]
    pub struct TrackRecord {
        pub source: TrackSource,
        /// Seen from the participant.
        pub direction: Direction,
        pub loss: Option<f32>,
        pub jitter_ms: Option<f32>,
        pub bitrate_bps: Option<f32>,
        pub frames_per_second: Option<f32>,
        pub freezes: u32,
    }
    #[derive(Debug)]
    pub struct FaultRecord { pub source: TrackSource, pub fault: MediaFault, pub times: u32 }

    /// The patient as the desk's card shows them.
    pub struct PatientCard {
        pub id: PersonId,
        pub name: String,
        pub phone: String,
        pub birth_date: Option<String>,
        pub age: Option<i32>,
        pub city: Option<String>,
        pub time_zone: Option<String>,
        pub conversation: ConversationId,
        pub registered_at: TimestampMs,
        pub history: Vec<HistoryItem>,
        /// Newest first, at most 50.
        pub files: Vec<PatientFile>,
    }
    /// An upload in parts, as it stands.
    pub struct UploadView {
        /// The file's id once it is whole.
        pub id: FileId,
        pub offset_bytes: i64,
        pub length_bytes: i64,
        pub file: Option<FileView>,
    }
    pub struct PatientFile { pub file: FileView, pub uploaded_at: TimestampMs }
    pub struct HistoryItem {
        /// `consultation`, `callback` or `call`.
        pub kind: String,
        pub id: String,
        pub at: TimestampMs,
        pub operator: Option<OperatorBrief>,
        /// State of the item, or the call's end reason.
        pub state: String,
        /// Of calls.
        pub duration_s: Option<i64>,
        /// `audio` or `video`, of calls.
        pub media: Option<String>,
    }
    pub struct PatientPage { pub items: Vec<PatientListItem>, pub next: Option<String> }
    pub struct PatientListItem {
        pub id: PersonId,
        pub name: String,
        pub phone: String,
        pub age: Option<i32>,
        pub city: Option<String>,
        pub conversation: ConversationId,
        pub last_contact_at: Option<TimestampMs>,
        pub consultations: u32,
    }

    /// A way into a media room for a device or a program that speaks WHIP or WHEP.
    pub struct StreamLink {
        pub id: StreamLinkId,
        /// Absent for a test stream.
        pub call: Option<CallId>,
        pub direction: StreamDirection,
        /// Where the offer is posted to.
        pub url: String,
        pub created_at: TimestampMs,
        pub expires_at: TimestampMs,
        /// A session uses it now.
        pub in_use: bool,
    }
    pub struct StreamLinkCreate { pub direction: StreamDirection }
    pub struct IssuedStreamLink {
        pub link: StreamLink,
        /// The bearer token that goes with the link. Shown this once.
        pub token: String,
    }
    /// The two ends of a stream that belongs to no call.
    pub struct TestStream { pub publish: IssuedStreamLink, pub play: IssuedStreamLink }

    pub struct Operator {
        pub id: PersonId,
        pub name: String,
        pub email: String,
        pub role: Role,
        pub specialty: Option<Specialty>,
        pub disabled: bool,
        pub presence: PresenceStatus,
        /// Consultations held now.
        pub active: u32,
    }
    pub struct OperatorCreate {
        pub name: String,
        pub email: String,
        /// 10 to 200 characters.
        pub password: String,
        pub role: Role,
        #[serde(default)]
        pub specialty: Option<String>,
    }
    pub struct OperatorUpdate {
        #[serde(default)]
        pub name: Option<String>,
        #[serde(default)]
        pub role: Option<Role>,
        #[serde(default)]
        pub specialty: Option<String>,
        #[serde(default)]
        pub disabled: Option<bool>,
        #[serde(default)]
        pub password: Option<String>,
    }
}

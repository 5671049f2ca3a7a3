/** Bodies of `/api/v1`. */
import type {
  CallbackId,
  CallbackState,
  ConsultationId,
  ConsultationState,
  ConversationId,
  EndReason,
  FileView,
  PersonId,
  PersonKind,
  PresenceStatus,
  Role,
  SessionId,
  TimestampMs,
} from './generated/realtime';

export interface Problem {
  /** A relative URI that names the kind of problem, as `/problems/already-claimed`. */
  type: string;
  title: string;
  status: number;
  /** English, for developers; interfaces translate `type`. */
  detail?: string | null;
  retry_after_s?: number | null;
  /** For `already-claimed` and `already-taken`: who has it. */
  holder?: PersonName | null;
  /** For `invalid-body`: the field at fault. */
  field?: string | null;
  /** For wrong codes: tries left. */
  tries_left?: number | null;
}

export interface PersonName {
  id: PersonId;
  name: string;
}

export interface Brand {
  name: string;
  /** CSS colours by token: `brand`, `brand-strong`, `brand-soft`, `sidebar`. */
  colors: Record<string, string>;
  /** A data or relative URL; absent means the built-in mark. */
  logo_url: string | null;
  support_phone: string | null;
  /** Demo data are loaded: pages may show demo hints. */
  demo: boolean;
  /** Largest upload, bytes. */
  max_file_bytes: number;
  /** Longest text message, characters. */
  max_message_characters: number;
}

export interface CodeRequest {
  /** E.164 with or without spaces, brackets and dashes. */
  phone: string;
}

export interface CodeSent {
  expires_in_s: number;
  resend_after_s: number;
  /** In demo mode only. */
  demo_code?: string | null;
}

export interface CodeVerify {
  phone: string;
  /** Six digits. */
  code: string;
  /** Stable per browser profile or installed app; at most 64 characters. */
  device: string;
}

export interface PasswordLogin {
  email: string;
  password: string;
  device: string;
}

export interface TokenResponse {
  /** JWT for `Authorization: Bearer` and the realtime hello. The refresh token travels in an HttpOnly cookie. */
  access_token: string;
  expires_in_s: number;
  me: Me;
}

export interface Me {
  id: PersonId;
  kind: PersonKind;
  session: SessionId;
  name: string;
  /** Patients. */
  phone: string | null;
  conversation: ConversationId | null;
  birth_date: string | null;
  city: string | null;
  /** IANA name. */
  time_zone: string | null;
  /** A patient who has not yet said their name. */
  needs_profile: boolean;
  /** Operators. */
  email: string | null;
  role: Role | null;
  specialty: Specialty | null;
}

export interface MeUpdate {
  name?: string | null;
  /** `YYYY-MM-DD`. */
  birth_date?: string | null;
  city?: string | null;
  time_zone?: string | null;
}

export interface DeviceSession {
  id: SessionId;
  user_agent: string;
  created_at: TimestampMs;
  last_used_at: TimestampMs;
  current: boolean;
}

export interface Specialty {
  /** Stable code, as `cardiology`. */
  code: string;
  /** Name of the field: Терапия / Therapy. */
  name_ru: string;
  name_en: string;
  /** Name of the doctor: Терапевт / General practitioner. */
  doctor_ru: string;
  doctor_en: string;
}

export interface PatientHome {
  conversation: ConversationId;
  /** Operators who can answer now. */
  doctors_online: number;
  /** Median seconds from question to claim over recent consultations. */
  typical_wait_s: number | null;
  /** Waiting or active. */
  open: ConsultationSummary | null;
  /** The last closed one. */
  last: ConsultationSummary | null;
  /** New or in progress. */
  callback: Callback | null;
  unread: number;
}

export interface PatientBrief {
  id: PersonId;
  name: string;
  /** Whole years, when the birth date is known. */
  age: number | null;
}

export interface OperatorBrief {
  id: PersonId;
  name: string;
  specialty: Specialty | null;
}

export interface LastMessage {
  seq: number;
  sent_at: TimestampMs;
  from: PersonKind | null;
  /** `text`, `file`, `note` or `system`. */
  kind: string;
  /** At most 140 characters of text, or the file's name. */
  preview: string;
}

export interface ConsultationSummary {
  id: ConsultationId;
  /** What people say on the phone: № 10 482. */
  number: number;
  state: ConsultationState;
  conversation: ConversationId;
  patient: PatientBrief;
  operator: OperatorBrief | null;
  specialty: Specialty | null;
  opened_at: TimestampMs;
  /** Start of the present wait (a transfer to the queue restarts it). */
  waiting_since: TimestampMs | null;
  claimed_at: TimestampMs | null;
  closed_at: TimestampMs | null;
  /** Conclusion given at closing. */
  summary: string | null;
  last_message: LastMessage | null;
  /** Messages of the other side that the reader has not read. */
  unread: number;
  /** Position in the queue, from 1, while waiting. */
  queue_position: number | null;
}

export interface ConsultationPage {
  items: ConsultationSummary[];
  /** Pass as `after` for the next page; absent at the end. */
  next: string | null;
  /** Totals for the tabs of the desk. */
  counts: ConsultationCounts;
}

export interface ConsultationCounts {
  waiting: number;
  mine: number;
  active: number;
}

export interface ConsultationClose {
  /** Conclusion for the patient; may be empty. */
  summary: string;
}

export interface ConsultationTransfer {
  operator?: PersonId | null;
  specialty?: string | null;
}

export interface ConsultationOpen {
  specialty?: string | null;
}

export interface Callback {
  id: CallbackId;
  state: CallbackState;
  conversation: ConversationId;
  patient: PatientBrief;
  phone: string;
  reason: string;
  /** Absent: as soon as possible. */
  call_at: TimestampMs | null;
  /** The patient's zone, IANA name. */
  time_zone: string | null;
  created_at: TimestampMs;
  operator: OperatorBrief | null;
  taken_at: TimestampMs | null;
  finished_at: TimestampMs | null;
  attempts: CallbackAttempt[];
  /** Past its time (or past 10 minutes, for as soon as possible) and not done. */
  overdue: boolean;
}

export interface CallbackAttempt {
  at: TimestampMs;
  operator_name: string;
  /** `hung_up` is a talk; anything else is a failed attempt. */
  outcome: EndReason;
  duration_s: number;
}

export interface CallbackCreate {
  /** 1 to 500 characters. */
  reason: string;
  call_at?: TimestampMs | null;
}

export interface CallbackPage {
  items: Callback[];
  next: string | null;
  counts: CallbackCounts;
}

export interface CallbackCounts {
  new: number;
  in_progress: number;
  overdue: number;
}

export interface PatientCard {
  id: PersonId;
  name: string;
  phone: string;
  birth_date: string | null;
  age: number | null;
  city: string | null;
  time_zone: string | null;
  conversation: ConversationId;
  registered_at: TimestampMs;
  history: HistoryItem[];
  /** Newest first, at most 50. */
  files: PatientFile[];
}

export interface PatientFile {
  file: FileView;
  uploaded_at: TimestampMs;
}

export interface HistoryItem {
  /** `consultation`, `callback` or `call`. */
  kind: string;
  id: string;
  at: TimestampMs;
  operator: OperatorBrief | null;
  /** State of the item, or the call's end reason. */
  state: string;
  /** Of calls. */
  duration_s: number | null;
  /** `audio` or `video`, of calls. */
  media: string | null;
}

export interface PatientPage {
  items: PatientListItem[];
  next: string | null;
}

export interface PatientListItem {
  id: PersonId;
  name: string;
  phone: string;
  age: number | null;
  city: string | null;
  conversation: ConversationId;
  last_contact_at: TimestampMs | null;
  consultations: number;
}

export interface Operator {
  id: PersonId;
  name: string;
  email: string;
  role: Role;
  specialty: Specialty | null;
  disabled: boolean;
  presence: PresenceStatus;
  /** Consultations held now. */
  active: number;
}

export interface OperatorCreate {
  name: string;
  email: string;
  /** 10 to 200 characters. */
  password: string;
  role: Role;
  specialty?: string | null;
}

export interface OperatorUpdate {
  name?: string | null;
  role?: Role | null;
  specialty?: string | null;
  disabled?: boolean | null;
  password?: string | null;
}

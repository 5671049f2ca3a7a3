/** The client side of Housecall without any interface: sign-in, realtime, chat, calls, files. */
import type {
  CallMedia,
  CallSubject,
  ClientFrame,
  ClientMessageId,
  ConsultationId,
  ConversationId,
  FileId,
  FileView,
  PersonKind,
  ServerFrame,
} from './generated/realtime';
import type * as R from './rest-types';
import type {
  CallDevices,
  CallSnapshot,
  CallStats,
  CallTimeline,
  ChatItem,
  ConversationSnapshot,
  Observable,
  RealtimeErrorCode,
  RealtimeState,
  SessionState,
} from './types';

export type * from './generated/realtime';
export type * from './rest-types';
export type * from './types';

// Signatures first; each class moves to its own module.

export declare class ApiError extends Error {
  /** HTTP status; 0 when the server was not reached. */
  readonly status: number;
  readonly problem: R.Problem | null;
  /** Last part of the problem's type, as `already-claimed`; `network` when not reached. */
  readonly kind: string;
}
export declare class RealtimeError extends Error {
  readonly code: RealtimeErrorCode;
  readonly retryAfterMs: number | null;
}

export declare class Session implements Observable<SessionState> {
  constructor(options: { kind: PersonKind });
  subscribe(listener: () => void): () => void;
  getSnapshot(): SessionState;
  /** Tries the refresh cookie; call once at start. */
  restore(): Promise<void>;
  requestCode(phone: string): Promise<R.CodeSent>;
  verifyCode(phone: string, code: string): Promise<R.Me>;
  login(email: string, password: string): Promise<R.Me>;
  signOut(): Promise<void>;
  onSignedOut(listener: (reason: 'signed_out' | 'ended') => void): () => void;
  /** A token that is good for at least half a minute. */
  token(): Promise<string>;
  /** After a profile change. */
  setMe(me: R.Me): void;
}

export interface ListQuery {
  after?: string;
  limit?: number;
}
export declare class Api {
  constructor(session: Session);
  brand(): Promise<R.Brand>;
  me(): Promise<R.Me>;
  updateMe(body: R.MeUpdate): Promise<R.Me>;
  deviceSessions(): Promise<R.DeviceSession[]>;
  endDeviceSession(id: string): Promise<void>;
  specialties(): Promise<R.Specialty[]>;
  patientHome(): Promise<R.PatientHome>;
  consultations(query?: ListQuery & { state?: string; mine?: boolean; q?: string }): Promise<R.ConsultationPage>;
  consultation(id: string): Promise<R.ConsultationSummary>;
  openConsultation(body: R.ConsultationOpen): Promise<R.ConsultationSummary>;
  claimConsultation(id: string): Promise<R.ConsultationSummary>;
  closeConsultation(id: string, body: R.ConsultationClose): Promise<R.ConsultationSummary>;
  transferConsultation(id: string, body: R.ConsultationTransfer): Promise<R.ConsultationSummary>;
  callbacks(query?: ListQuery & { state?: string }): Promise<R.CallbackPage>;
  callback(id: string): Promise<R.Callback>;
  createCallback(body: R.CallbackCreate): Promise<R.Callback>;
  takeCallback(id: string): Promise<R.Callback>;
  releaseCallback(id: string): Promise<R.Callback>;
  cancelCallback(id: string): Promise<R.Callback>;
  finishCallback(id: string): Promise<R.Callback>;
  patients(query?: ListQuery & { q?: string }): Promise<R.PatientPage>;
  patient(id: string): Promise<R.PatientCard>;
  operators(): Promise<R.Operator[]>;
  createOperator(body: R.OperatorCreate): Promise<R.Operator>;
  updateOperator(id: string, body: R.OperatorUpdate): Promise<R.Operator>;
  uploadFile(
    conversation: ConversationId,
    bytes: Blob,
    name: string,
    options?: { onProgress?: (share: number) => void; signal?: AbortSignal },
  ): Promise<FileView>;
  fileBytes(id: FileId, signal?: AbortSignal): Promise<Blob>;
}

type DataOf<F extends { type: string }, T extends F['type']> = Extract<F, { type: T }> extends { data: infer D } ? D : never;
export type ClientType = ClientFrame['type'];
export type ServerType = ServerFrame['type'];
export declare class Realtime implements Observable<RealtimeState> {
  constructor(session: Session);
  subscribe(listener: () => void): () => void;
  getSnapshot(): RealtimeState;
  start(): void;
  stop(): void;
  /** Resolves with the answer's data; rejects with `RealtimeError`. */
  request<A extends ServerType = 'ok'>(
    type: ClientType,
    data: unknown,
    options?: { timeoutMs?: number },
  ): Promise<DataOf<ServerFrame, A>>;
  /** Sends without waiting; false when there is no connection. */
  send(type: ClientType, data: unknown): boolean;
  on<T extends ServerType>(type: T, listener: (data: DataOf<ServerFrame, T>) => void): () => void;
  /** The server's clock, epoch ms. */
  serverNow(): number;
}

export declare class Conversation implements Observable<ConversationSnapshot> {
  readonly id: ConversationId;
  subscribe(listener: () => void): () => void;
  getSnapshot(): ConversationSnapshot;
  /** Subscribes to the server's events while held; returns the release. */
  open(): () => void;
  loadOlder(): Promise<void>;
  /** Loads back to the start of that consultation. */
  loadConsultation(id: ConsultationId): Promise<void>;
  sendText(text: string): void;
  sendNote(text: string): void;
  sendFile(file: Blob, options: { name: string; caption?: string }): void;
  retry(id: ClientMessageId): void;
  discard(id: ClientMessageId): void;
  /** Everything shown up to here was seen. Without an argument, everything. */
  markRead(seq?: number): void;
  setTyping(typing: boolean): void;
}
export declare class Chat {
  constructor(options: { session: Session; api: Api; realtime: Realtime; files: Files; cacheMessages: boolean });
  conversation(id: ConversationId): Conversation;
  /** Sends what waits from earlier visits; call after sign-in. */
  resume(): Promise<void>;
}

export declare class Files {
  constructor(api: Api);
  /** An object URL; release it when it is not shown any more. */
  acquire(id: FileId): Promise<string>;
  release(id: FileId): void;
  /** Saves the file under its name. */
  download(file: FileView): Promise<void>;
}

export declare class Calls implements Observable<CallSnapshot | null> {
  constructor(options: { session: Session; realtime: Realtime });
  subscribe(listener: () => void): () => void;
  /** The one call of this client; null when there is none. */
  getSnapshot(): CallSnapshot | null;
  start(subject: CallSubject, media: CallMedia): Promise<void>;
  accept(options: { camera: boolean }): Promise<void>;
  decline(): Promise<void>;
  hangUp(): Promise<void>;
  /** Clears an ended call from the screen. */
  dismiss(): void;
  setMicrophone(on: boolean): Promise<void>;
  setCamera(on: boolean): Promise<void>;
  flipCamera(): Promise<void>;
  startScreen(): Promise<void>;
  stopScreen(): Promise<void>;
  devices(): Promise<CallDevices>;
  selectMicrophone(deviceId: string): Promise<void>;
  selectCamera(deviceId: string): Promise<void>;
  selectSpeaker(deviceId: string): Promise<void>;
  /** Lets the browser play sound after a press. */
  unblockSound(): void;
  /** Measures the first frame on the element that shows the remote camera. */
  observeRemoteVideo(element: HTMLVideoElement): () => void;
  readonly timeline: CallTimeline;
  stats(): Promise<CallStats | null>;
}

/** Everything together, wired: what an app creates once. */
export interface Housecall {
  session: Session;
  api: Api;
  realtime: Realtime;
  chat: Chat;
  files: Files;
  calls: Calls;
}
export declare function createHousecall(options: { kind: PersonKind; cacheMessages: boolean }): Housecall;

/** A conversation as rows: day headings, consultation dividers, system pills, grouped bubbles. */
export type TimelineRow =
  | { kind: 'day'; key: string; at: number }
  | { kind: 'consultation'; key: string; item: ChatItem }
  | { kind: 'system'; key: string; item: ChatItem }
  | { kind: 'message'; key: string; item: ChatItem; first: boolean; last: boolean };
export declare function timeline(items: readonly ChatItem[], timeZone?: string): TimelineRow[];
export declare function initials(name: string): string;
/** A stable hue-varied background for an avatar, AA with white text. */
export declare function avatarColor(id: string): string;
/** `4:12`, `1:04:12`. */
export declare function formatClock(seconds: number): string;
export declare function formatPhone(e164: string): string;
/** Sets the brand's CSS variables on the document. */
export declare function applyBrand(brand: R.Brand): void;

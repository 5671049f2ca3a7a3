/** What the SDK shows to an interface: immutable snapshots and items. */
import type {
  CallParty,
  CallView,
  ClientMessageId,
  ConsultationId,
  ConversationId,
  EndReason,
  ErrorCode,
  MediaFault,
  MediaState,
  MessageBody,
  PersonId,
  PersonKind,
  QualityLevel,
  Quote,
  SlotPause,
  TrackSource,
  TypingView,
  Welcome,
} from './generated/realtime';
import type { Me } from './rest-types';

/** A framework-free observable; fits `useSyncExternalStore` as it is. */
export interface Observable<T> {
  subscribe(listener: () => void): () => void;
  /** The same object until something changes. */
  getSnapshot(): T;
}

export type SessionState =
  | { status: 'restoring' }
  | { status: 'signed_out'; reason: 'fresh' | 'signed_out' | 'ended' }
  /** `offline`: the person is known from an earlier visit but the server could not be asked yet. */
  | { status: 'signed_in'; me: Me; offline: boolean };

export interface RealtimeState {
  status: 'stopped' | 'connecting' | 'online' | 'waiting' | 'replaced';
  welcome: Welcome | null;
  /** When the next attempt is due, epoch ms, while `waiting`; null when it waits for the device's network. */
  retryAt: number | null;
}

/** Codes of the protocol and of the transport itself. */
export type RealtimeErrorCode = ErrorCode | 'timeout' | 'disconnected';

export type MessageState =
  /** Of own messages: not sent because there is no connection; being sent; refused. */
  | 'waiting'
  | 'sending'
  | 'failed'
  /** Of own messages: in the conversation; reached the other side; read there. */
  | 'sent'
  | 'delivered'
  | 'read'
  /** Of others' and the system's messages. */
  | 'received';

/** A file that is chosen but not yet a message. */
export interface PendingFile {
  kind: 'pending_file';
  name: string;
  mediaType: string;
  sizeBytes: number;
  /** An object URL of an image, valid while the item is shown. */
  previewUrl: string | null;
  caption: string;
  /** 0 to 1 while it uploads. */
  progress: number | null;
}

/** An edit or deletion of a message on its way out; the row shows what it will be. */
export interface PendingChange {
  id: ClientMessageId;
  kind: 'edit' | 'delete';
  state: 'waiting' | 'sending' | 'failed';
  /** Why it failed, as a code of the protocol. */
  error: string | null;
}

/** One row of a conversation, from the server or still in the outbox. */
export interface ChatItem {
  /** Stable from the first keystroke to the acknowledged message. */
  key: string;
  /** Absent while in the outbox. */
  seq: number | null;
  clientMessageId: ClientMessageId | null;
  own: boolean;
  sender: PersonId | null;
  senderName: string | null;
  senderKind: PersonKind | null;
  /** Epoch ms; the time of writing while in the outbox. */
  sentAt: number;
  consultation: ConsultationId | null;
  body: MessageBody | PendingFile;
  /** The message that this one answers, as it is now. */
  replyTo: Quote | null;
  /** Epoch ms, when the text is not the first one. */
  editedAt: number | null;
  change: PendingChange | null;
  state: MessageState;
  /** Why it failed, as a code of the protocol or a problem kind. */
  error: string | null;
}

export interface ConversationSnapshot {
  id: ConversationId;
  /** `cached`: shown from this device; the server has not answered yet. */
  status: 'loading' | 'cached' | 'ready' | 'forbidden';
  /** In order, without gaps; the outbox last. */
  items: readonly ChatItem[];
  hasOlder: boolean;
  loadingOlder: boolean;
  headSeq: number;
  /** The reader's own read mark. */
  readSeq: number;
  /** Marks of the other side. */
  deliveredByOthersSeq: number;
  readByOthersSeq: number;
  /** Messages of others after the reader's mark. */
  unread: number;
  typing: readonly TypingView[];
}

/** What a client is doing with a call. */
export type CallPhase =
  /** The own call is being prepared: permission, offer. */
  | 'starting'
  | 'outgoing'
  | 'incoming'
  | 'connecting'
  | 'active'
  | 'ended';

export type CallProblem =
  | 'microphone_denied'
  | 'camera_denied'
  | 'microphone_missing'
  | 'camera_missing'
  | 'device_busy'
  | 'screen_denied'
  | 'unsupported';

/** How a call ended for this client. */
export type CallEnding = EndReason | 'answered_elsewhere' | 'not_started' | 'removed';

/** What this client is in a call. A listener hears and sees, and is not seen. */
export type CallRole = 'caller' | 'callee' | 'guest' | 'listener';

/** Somebody else in the call, with what arrives of them. */
export interface CallPerson extends CallParty {
  /** It rings for them, they are not here yet. */
  ringing: boolean;
  /** Invited to a call between others. */
  guest: boolean;
  camera: MediaStream | null;
  screen: MediaStream | null;
  /** Why the picture stands still, when the relay sends nothing of it. */
  paused: { camera: SlotPause | null; screen: SlotPause | null };
  speaking: boolean;
  quality: QualityLevel;
  /** They raised a hand. */
  hand: boolean;
}

/** How well the own connection carries the call, in figures. */
export interface CallFigures {
  /** Mean opinion score of what is heard, 1 to 4.5. */
  mos: number | null;
  /** Share of packets lost on the worse way, 0 to 1. */
  loss: number | null;
  rttMs: number | null;
}

/** A track that should flow and does not, as it concerns this person. */
export interface CallHint {
  /** Whose track; null: the own one. */
  person: CallParty | null;
  source: TrackSource;
  fault: MediaFault;
}

export interface CallSnapshot {
  phase: CallPhase;
  role: CallRole;
  /** Absent while `starting`. */
  view: CallView | null;
  self: CallParty | null;
  /** Whom the call is with, where one name is shown. */
  peer: CallParty | null;
  /** Everybody else, the two sides first. */
  people: readonly CallPerson[];
  /** What is sent now. */
  media: MediaState;
  /** What the house lets this person send. */
  allowed: MediaState;
  wantsVideo: boolean;
  local: { camera: MediaStream | null; screen: MediaStream | null };
  /** Of the peer; `screen` of whoever shares one. Remote sound is played by the SDK. */
  remote: { camera: MediaStream | null; screen: MediaStream | null };
  /** Own connection, the worse of the local measure and the relay's. */
  quality: QualityLevel;
  figures: CallFigures;
  /** What does not flow and should, worst first. */
  hints: readonly CallHint[];
  /** The own hand is raised. */
  hand: boolean;
  /** The operator asks to turn this on. */
  asked: 'microphone' | 'camera' | null;
  /** The own media path is being repaired. */
  reconnecting: boolean;
  canFlip: boolean;
  facing: 'user' | 'environment';
  /** Why the call could not be started or accepted. */
  failure: RealtimeErrorCode | null;
  /** Why a device is not sending; cleared by the next success. */
  problem: CallProblem | null;
  /** Epoch ms. */
  acceptedAt: number | null;
  ended: CallEnding | null;
  /** The person has to press once before the browser plays sound. */
  soundBlocked: boolean;
}

/** Moments of a call, epoch ms with fractions, for the join benchmark. */
export interface CallTimeline {
  /** The accept was pressed here, or its news arrived here. */
  accepted?: number;
  iceConnected?: number;
  dtlsConnected?: number;
  firstPacket?: number;
  /** The last packet of the first shown frame arrived. */
  firstKeyframe?: number;
  /** The first remote frame was decoded and handed to the screen. */
  firstFrame?: number;
}

/** Selected numbers of `getStats`, both directions. */
export interface CallStats {
  framesDecoded: number;
  frameWidth: number;
  frameHeight: number;
  framesSent: number;
  /** Sum over received audio, as WebRTC defines it. */
  totalAudioEnergy: number;
  audioPacketsReceived: number;
  videoPacketsReceived: number;
  packetsLost: number;
  rttMs: number | null;
  iceState: RTCIceConnectionState | null;
}

export interface CallDevices {
  microphones: MediaDeviceInfo[];
  cameras: MediaDeviceInfo[];
  speakers: MediaDeviceInfo[];
  selected: { microphone: string | null; camera: string | null; speaker: string | null };
}

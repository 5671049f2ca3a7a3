/** The client side of Housecall without any interface: sign-in, realtime, chat, calls, files. */
export { reportActivity } from './activity';
export type * from './generated/realtime';
export type * from './rest-types';
// Both the realtime types and the REST types describe it; they are the same shape.
export type { Specialty } from './rest-types';
export type * from './types';

export { Api, type CallbackQuery, type CallQuery, type ConsultationQuery, type PatientQuery, type SearchQuery } from './api';
export { applyBrand } from './brand';
export { Calls } from './call/calls';
export { Chat } from './chat/chat';
export { Conversation } from './chat/conversation';
export { foundWords, marked } from './chat/marking';
export { timeline, type TimelineRow } from './chat/timeline';
export { Files, type FileForm } from './files';
export { avatarColor, formatClock, formatPhone, initials } from './format';
export { createHousecall, type Housecall, type HousecallOptions } from './housecall';
export { uuidv7 } from './ids';
export { ApiError, RealtimeError } from './net/errors';
export { CLOSE, PROTOCOL_VERSION, Realtime, type ClientType, type ServerType } from './realtime';
export { Session } from './session';

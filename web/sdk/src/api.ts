/** Every REST route of the house as a typed method, over the generated paths. Failures are `ApiError`. */
import createClient from 'openapi-fetch';

import type { ConversationId, FileId, FileView } from './generated/realtime';
import type { operations, paths } from './generated/rest';
import { ApiError, fetchChecked } from './net/errors';
import { upload, type UploadOptions } from './net/upload';
import type * as R from './rest-types';
import type { Session } from './session';

type QueryOf<O extends keyof operations> = NonNullable<operations[O]['parameters']['query']>;
/** `state` as text, because it often comes from the page's address; the server refuses an unknown one. */
export type ConsultationQuery = Omit<QueryOf<'listConsultations'>, 'state'> & { state?: string };
export type CallbackQuery = QueryOf<'listCallbacks'>;
export type CallQuery = QueryOf<'listCalls'>;
export type PatientQuery = QueryOf<'listPatients'>;
export type SearchQuery = QueryOf<'searchMessages'>;

const of = (id: string) => ({ params: { path: { id } } });

export class Api {
  private readonly client = createClient<paths>({ fetch: (request) => this.send(request) });

  constructor(private readonly session: Session) {}

  brand = (): Promise<R.Brand> => body(this.client.GET('/api/v1/brand'));
  specialties = (): Promise<R.Specialty[]> => body(this.client.GET('/api/v1/specialties'));

  me = (): Promise<R.Me> => body(this.client.GET('/api/v1/me'));
  updateMe = (update: R.MeUpdate): Promise<R.Me> => body(this.client.PATCH('/api/v1/me', { body: update }));
  deviceSessions = (): Promise<R.DeviceSession[]> => body(this.client.GET('/api/v1/me/sessions'));
  endDeviceSession = async (id: string): Promise<void> => {
    await this.client.DELETE('/api/v1/me/sessions/{id}', of(id));
  };

  patientHome = (): Promise<R.PatientHome> => body(this.client.GET('/api/v1/patient/home'));

  consultations = (query: ConsultationQuery = {}): Promise<R.ConsultationPage> =>
    body(this.client.GET('/api/v1/consultations', { params: { query: query as QueryOf<'listConsultations'> } }));
  consultation = (id: string): Promise<R.ConsultationSummary> =>
    body(this.client.GET('/api/v1/consultations/{id}', of(id)));
  openConsultation = (wish: R.ConsultationOpen): Promise<R.ConsultationSummary> =>
    body(this.client.POST('/api/v1/consultations', { body: wish }));
  claimConsultation = (id: string): Promise<R.ConsultationSummary> =>
    body(this.client.POST('/api/v1/consultations/{id}/claim', of(id)));
  closeConsultation = (id: string, close: R.ConsultationClose): Promise<R.ConsultationSummary> =>
    body(this.client.POST('/api/v1/consultations/{id}/close', { ...of(id), body: close }));
  transferConsultation = (id: string, transfer: R.ConsultationTransfer): Promise<R.ConsultationSummary> =>
    body(this.client.POST('/api/v1/consultations/{id}/transfer', { ...of(id), body: transfer }));

  callbacks = (query: CallbackQuery = {}): Promise<R.CallbackPage> =>
    body(this.client.GET('/api/v1/callbacks', { params: { query } }));
  callback = (id: string): Promise<R.Callback> => body(this.client.GET('/api/v1/callbacks/{id}', of(id)));
  createCallback = (order: R.CallbackCreate): Promise<R.Callback> =>
    body(this.client.POST('/api/v1/callbacks', { body: order }));
  takeCallback = (id: string): Promise<R.Callback> => body(this.client.POST('/api/v1/callbacks/{id}/take', of(id)));
  releaseCallback = (id: string): Promise<R.Callback> =>
    body(this.client.POST('/api/v1/callbacks/{id}/release', of(id)));
  cancelCallback = (id: string): Promise<R.Callback> =>
    body(this.client.POST('/api/v1/callbacks/{id}/cancel', of(id)));
  finishCallback = (id: string): Promise<R.Callback> => body(this.client.POST('/api/v1/callbacks/{id}/done', of(id)));

  calls = (query: CallQuery = {}): Promise<R.CallPage> =>
    body(this.client.GET('/api/v1/calls', { params: { query } }));
  call = (id: string): Promise<R.CallRecord> => body(this.client.GET('/api/v1/calls/{id}', of(id)));

  patients = (query: PatientQuery = {}): Promise<R.PatientPage> =>
    body(this.client.GET('/api/v1/patients', { params: { query } }));
  patient = (id: string): Promise<R.PatientCard> => body(this.client.GET('/api/v1/patients/{id}', of(id)));

  searchMessages = (query: SearchQuery, signal?: AbortSignal): Promise<R.MessageHitPage> =>
    body(this.client.GET('/api/v1/messages/search', { params: { query }, ...(signal ? { signal } : {}) }));

  operators = (): Promise<R.Operator[]> => body(this.client.GET('/api/v1/operators'));
  createOperator = (operator: R.OperatorCreate): Promise<R.Operator> =>
    body(this.client.POST('/api/v1/operators', { body: operator }));
  updateOperator = (id: string, update: R.OperatorUpdate): Promise<R.Operator> =>
    body(this.client.PATCH('/api/v1/operators/{id}', { ...of(id), body: update }));

  /** Sends the bytes, from where an earlier try ended; the file as the house keeps it. */
  async uploadFile(
    conversation: ConversationId,
    bytes: Blob,
    name: string,
    options: UploadOptions = {},
  ): Promise<FileView> {
    const endpoint = `/api/v1/conversations/${conversation}/uploads`;
    const id = await upload(bytes, { endpoint, name, token: () => this.session.token() }, options);
    return this.file(id);
  }

  file = (id: FileId): Promise<FileView> => body(this.client.GET('/api/v1/files/{id}/view', of(id)));

  fileBytes = (id: FileId, signal?: AbortSignal): Promise<Blob> =>
    body(this.client.GET('/api/v1/files/{id}', { ...of(id), parseAs: 'blob', ...(signal ? { signal } : {}) }));

  thumbnailBytes = (id: FileId): Promise<Blob> =>
    body(this.client.GET('/api/v1/files/{id}/thumbnail', { ...of(id), parseAs: 'blob' }));

  /** One retry with a fresh token: the present one may have been revoked or have aged in a sleeping tab. */
  private async send(request: Request): Promise<Response> {
    if (new URL(request.url).pathname === '/api/v1/brand') return fetchChecked(request);
    const again = request.clone();
    try {
      return await this.authorised(request);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      this.session.invalidate();
      return this.authorised(again);
    }
  }

  private async authorised(request: Request): Promise<Response> {
    request.headers.set('authorization', `Bearer ${await this.session.token()}`);
    return fetchChecked(request);
  }
}

/** The body of an answer; a refusal has been thrown by then. */
async function body<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T;
}

/** Every REST route of the house as a typed method. Failures are `ApiError`. */
import type { ConversationId, FileId, FileView } from './generated/realtime';
import { ApiError, fetchChecked } from './net/errors';
import { upload, type UploadOptions } from './net/upload';
import type * as R from './rest-types';
import type { Session } from './session';

export interface ListQuery {
  after?: string | undefined;
  limit?: number | undefined;
}

type Query = Record<string, string | number | boolean | undefined>;

export class Api {
  constructor(private readonly session: Session) {}

  async brand(): Promise<R.Brand> {
    return (await fetchChecked('/api/v1/brand', {})).json() as Promise<R.Brand>;
  }

  me = () => this.get<R.Me>('/me');
  updateMe = (body: R.MeUpdate) => this.call<R.Me>('PATCH', '/me', body);
  deviceSessions = () => this.get<R.DeviceSession[]>('/me/sessions');
  endDeviceSession = async (id: string): Promise<void> => {
    await this.call('DELETE', `/me/sessions/${id}`);
  };
  specialties = () => this.get<R.Specialty[]>('/specialties');
  patientHome = () => this.get<R.PatientHome>('/patient/home');

  consultations = (query: ListQuery & { state?: string; mine?: boolean; q?: string } = {}) =>
    this.get<R.ConsultationPage>('/consultations', { ...query });
  consultation = (id: string) => this.get<R.ConsultationSummary>(`/consultations/${id}`);
  openConsultation = (body: R.ConsultationOpen) => this.call<R.ConsultationSummary>('POST', '/consultations', body);
  claimConsultation = (id: string) => this.call<R.ConsultationSummary>('POST', `/consultations/${id}/claim`);
  closeConsultation = (id: string, body: R.ConsultationClose) =>
    this.call<R.ConsultationSummary>('POST', `/consultations/${id}/close`, body);
  transferConsultation = (id: string, body: R.ConsultationTransfer) =>
    this.call<R.ConsultationSummary>('POST', `/consultations/${id}/transfer`, body);

  callbacks = (query: ListQuery & { state?: string } = {}) => this.get<R.CallbackPage>('/callbacks', { ...query });
  callback = (id: string) => this.get<R.Callback>(`/callbacks/${id}`);
  createCallback = (body: R.CallbackCreate) => this.call<R.Callback>('POST', '/callbacks', body);
  takeCallback = (id: string) => this.call<R.Callback>('POST', `/callbacks/${id}/take`);
  releaseCallback = (id: string) => this.call<R.Callback>('POST', `/callbacks/${id}/release`);
  cancelCallback = (id: string) => this.call<R.Callback>('POST', `/callbacks/${id}/cancel`);
  finishCallback = (id: string) => this.call<R.Callback>('POST', `/callbacks/${id}/done`);

  patients = (query: ListQuery & { q?: string } = {}) => this.get<R.PatientPage>('/patients', { ...query });
  patient = (id: string) => this.get<R.PatientCard>(`/patients/${id}`);

  operators = () => this.get<R.Operator[]>('/operators');
  createOperator = (body: R.OperatorCreate) => this.call<R.Operator>('POST', '/operators', body);
  updateOperator = (id: string, body: R.OperatorUpdate) => this.call<R.Operator>('PATCH', `/operators/${id}`, body);

  async uploadFile(
    conversation: ConversationId,
    bytes: Blob,
    name: string,
    options: UploadOptions = {},
  ): Promise<FileView> {
    const token = await this.session.token();
    const url = `/api/v1/conversations/${conversation}/files?name=${encodeURIComponent(name)}`;
    return upload(url, token, bytes, options);
  }

  async fileBytes(id: FileId, signal?: AbortSignal): Promise<Blob> {
    const response = await this.fetch('GET', `/files/${id}`, undefined, signal);
    return response.blob();
  }

  private async get<T>(path: string, query: Query = {}): Promise<T> {
    const params = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== '') params.set(name, String(value));
    }
    const suffix = params.size > 0 ? `?${params}` : '';
    return (await this.fetch('GET', path + suffix)).json() as Promise<T>;
  }

  private async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await this.fetch(method, path, body);
    const text = await response.text();
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** One retry with a fresh token: the present one may have been revoked or have aged in a sleeping tab. */
  private async fetch(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
    try {
      return await this.fetchOnce(method, path, body, signal);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      this.session.invalidate();
      return this.fetchOnce(method, path, body, signal);
    }
  }

  private async fetchOnce(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { authorization: `Bearer ${await this.session.token()}` };
    const init: RequestInit = { method, headers };
    if (body !== undefined) {
      headers['content-type'] = 'application/json';
      init.body = JSON.stringify(body);
    }
    if (signal) init.signal = signal;
    return fetchChecked(`/api/v1${path}`, init);
  }
}

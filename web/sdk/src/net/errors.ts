/** What can go wrong between this client and the house, as typed errors. */
import type { Problem } from '../rest-types';
import type { RealtimeErrorCode } from '../types';

const TEMPORARY: ReadonlySet<number> = new Set([0, 401, 408, 423, 429]);

export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    /** HTTP status; 0 when the server was not reached. */
    readonly status: number,
    readonly problem: Problem | null,
  ) {
    super(problem?.detail ?? problem?.title ?? (status === 0 ? 'the server was not reached' : `status ${status}`));
  }

  /** Last part of the problem's type, as `already-claimed`; `network` when the server was not reached. */
  get kind(): string {
    if (this.status === 0) return 'network';
    return this.problem?.type.split('/').pop() || `status-${this.status}`;
  }

  /** Trying the same again later can help. */
  get temporary(): boolean {
    if (this.kind === 'upload-quota') return false;
    return TEMPORARY.has(this.status) || this.status >= 500 || this.kind === 'too-many-uploads';
  }

  static async from(response: Response): Promise<ApiError> {
    try {
      return new ApiError(response.status, (await response.json()) as Problem);
    } catch {
      // A proxy's page or an empty body: the status has to do.
      return new ApiError(response.status, null);
    }
  }
}

export class RealtimeError extends Error {
  override readonly name = 'RealtimeError';

  constructor(
    readonly code: RealtimeErrorCode,
    message: string,
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
  }

  /** Trying the same again later can help. */
  get temporary(): boolean {
    switch (this.code) {
      case 'timeout':
      case 'disconnected':
      case 'unavailable':
      case 'internal':
      case 'rate_limited':
      case 'unauthenticated':
        return true;
      default:
        return false;
    }
  }
}

/** `fetch` that fails only with `ApiError`. */
export async function fetchChecked(input: string | Request, init?: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(input, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, null);
  }
  if (!response.ok) throw await ApiError.from(response);
  return response;
}

/** Failures of the house in the reader's words. */
import { ApiError, RealtimeError } from '@housecall/sdk';

import type { Translate } from '../format/time';

const WORDS: Record<string, string> = {
  network: 'problem.offline',
  'invalid-credentials': 'problem.credentials',
  'session-ended': 'auth.expired',
  'last-admin': 'problem.lastAdmin',
  'file-empty': 'problem.fileEmpty',
  'email-taken': 'problem.emailTaken',
  'invalid-body': 'problem.invalid',
  'file-type': 'problem.fileType',
  'file-infected': 'problem.fileInfected',
  'file-refused': 'problem.fileInfected',
  'upload-quota': 'problem.uploadQuota',
  disconnected: 'problem.offline',
  timeout: 'problem.offline',
  forbidden: 'problem.forbidden',
  unavailable: 'problem.server',
  not_found: 'problem.notFound',
  'consultation-closed': 'problem.conflict',
  conflict: 'problem.conflict',
  'too-large': 'problem.tooLargeAny',
  too_large: 'problem.tooLargeAny',
  busy: 'problem.busy',
  'search-too-broad': 'problem.searchTooBroad',
};

const BY_STATUS: Record<number, string> = {
  0: 'problem.offline',
  400: 'problem.invalid',
  403: 'problem.forbidden',
  404: 'problem.notFound',
  409: 'problem.conflict',
  413: 'problem.tooLargeAny',
  415: 'problem.fileType',
  422: 'problem.invalid',
};

function slow(t: Translate, seconds: number | null | undefined): string {
  return seconds ? t('problem.rateLimited', { count: seconds }) : t('problem.rateLimitedSoon');
}

/** Who has what we were too late for, if that is the failure. */
export function holderOf(error: unknown): { name: string } | undefined {
  if (!(error instanceof ApiError) || error.status !== 409) return undefined;
  return error.problem?.holder ?? undefined;
}

/** Of a message that was refused: the last part of a problem's type, or a code of the protocol. */
export function refusalText(t: Translate, code: string | null): string | undefined {
  const key = code === null ? undefined : WORDS[code];
  return key && t(key);
}

export function problemText(t: Translate, error: unknown): string {
  if (error instanceof ApiError) {
    if (error.status === 429) return slow(t, error.problem?.retry_after_s);
    const holder = holderOf(error);
    if (holder) return t('problem.claimed', { name: holder.name });
    return t(WORDS[error.kind] ?? BY_STATUS[error.status] ?? 'problem.server');
  }
  if (error instanceof RealtimeError) {
    if (error.code === 'rate_limited') return slow(t, Math.ceil((error.retryAfterMs ?? 0) / 1000));
    return t(WORDS[error.code] ?? 'problem.server');
  }
  return t('problem.server');
}

/** A refusal stays a refusal however often it is asked again. */
export function worthRetrying(failures: number, error: unknown): boolean {
  if (failures >= 3) return false;
  return !(error instanceof ApiError) || error.status === 0 || error.status >= 500;
}

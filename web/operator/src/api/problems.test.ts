import { ApiError, type Problem, RealtimeError } from '@housecall/sdk';
import { expect, test } from 'vitest';

import { problemText, refusalText, worthRetrying } from './problems';

const t = (key: string, values?: Record<string, unknown>) =>
  values ? `${key}(${Object.values(values).join()})` : key;

const refused = (status: number, kind: string, more: Partial<Problem> = {}) =>
  new ApiError(status, { type: `/problems/${kind}`, title: kind, status, ...more });

test.each([
  [refused(401, 'invalid-credentials'), 'problem.credentials'],
  [refused(429, 'rate-limited', { retry_after_s: 12 }), 'problem.rateLimited(12)'],
  [refused(429, 'rate-limited'), 'problem.rateLimitedSoon'],
  [refused(409, 'already-claimed', { holder: { id: '1', name: 'Мария' } }), 'problem.claimed(Мария)'],
  [refused(409, 'some-new-conflict'), 'problem.conflict'],
  [refused(500, 'internal'), 'problem.server'],
  [new ApiError(0, null), 'problem.offline'],
  [new ApiError(502, null), 'problem.server'],
  [new RealtimeError('busy', 'busy'), 'problem.busy'],
  [new RealtimeError('rate_limited', 'slow', 1500), 'problem.rateLimited(2)'],
  [new Error('not ours'), 'problem.server'],
])('%s', (error, words) => {
  expect(problemText(t, error)).toBe(words);
});

test('a refused message says why when the reason is known', () => {
  expect(refusalText(t, 'file-type')).toBe('problem.fileType');
  expect(refusalText(t, 'unheard-of')).toBeUndefined();
  expect(refusalText(t, null)).toBeUndefined();
});

test('a refusal is not asked again, a lost network is', () => {
  expect(worthRetrying(0, refused(403, 'forbidden'))).toBe(false);
  expect(worthRetrying(0, new ApiError(0, null))).toBe(true);
  expect(worthRetrying(0, refused(503, 'unavailable'))).toBe(true);
  expect(worthRetrying(3, new ApiError(0, null))).toBe(false);
});

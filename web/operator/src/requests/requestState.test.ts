import { expect, test } from 'vitest';

import { requestState } from './useRequestWords';

test.each([
  ['new', false, 'requests.isNew'],
  ['new', true, 'requests.isOverdue'],
  ['in_progress', false, 'requests.isInProgress'],
  ['in_progress', true, 'requests.isOverdue'],
  // What is finished is not late any more, whatever it was.
  ['done', true, 'requests.isDone'],
  ['cancelled', true, 'requests.isCancelled'],
] as const)('%s, overdue %s', (state, overdue, key) => {
  expect(requestState({ state, overdue }).key).toBe(key);
});

import { expect, test } from 'vitest';

import { waitingTone } from './waiting';

test.each([
  [0, 'calm'],
  [299_999, 'calm'],
  [300_000, 'warn'],
  [599_999, 'warn'],
  [600_000, 'late'],
])('a wait of %d ms is %s', (ms, tone) => {
  expect(waitingTone(ms)).toBe(tone);
});

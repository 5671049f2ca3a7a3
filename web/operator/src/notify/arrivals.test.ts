import { expect, test } from 'vitest';

import { Arrivals } from './arrivals';

const rows = (...ids: string[]) => ids.map((id) => ({ id }));

test('the first look is never news', () => {
  expect(new Arrivals().look(rows('a', 'b'))).toEqual([]);
});

test('an empty first look makes the next row news', () => {
  const arrivals = new Arrivals();
  arrivals.look([]);
  expect(arrivals.look(rows('a'))).toEqual(rows('a'));
});

test('a row that left and came back is not announced twice', () => {
  const arrivals = new Arrivals();
  arrivals.look(rows('a'));
  arrivals.look([]);
  expect(arrivals.look(rows('a', 'b'))).toEqual(rows('b'));
});

import { expect, test } from 'vitest';

import { holdRows } from './heldRows';

const row = (id: string, words = '') => ({ id, words });
const shown = [row('a'), row('b')].map((each) => ({ row: each, gone: false }));

test('a free list shows what is fresh', () => {
  const { rows, arrived } = holdRows(shown, [row('c'), row('a')], false);
  expect(rows.map((each) => each.row.id)).toEqual(['c', 'a']);
  expect(arrived).toBe(0);
});

test('a held list keeps its places and counts newcomers', () => {
  const { rows, arrived } = holdRows(shown, [row('c'), row('b', 'new words'), row('a')], true);
  expect(rows.map((each) => each.row.id)).toEqual(['a', 'b']);
  expect(rows[1]?.row.words).toBe('new words');
  expect(arrived).toBe(1);
});

test('a row that left stays in its place, marked', () => {
  const { rows } = holdRows(shown, [row('b')], true);
  expect(rows.map((each) => [each.row.id, each.gone])).toEqual([['a', true], ['b', false]]);
});

test('an empty held list fills at once', () => {
  expect(holdRows([], [row('a')], true).rows).toHaveLength(1);
});

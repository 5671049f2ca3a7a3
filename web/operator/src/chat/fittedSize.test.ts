import { expect, test } from 'vitest';

import { fittedSize } from './fittedSize';

test.each([
  [4000, 3000, 320, 240],
  [3000, 4000, 255, 340],
  [200, 100, 200, 100],
  [null, null, 240, 180],
])('a picture of %s by %s', (width, height, w, h) => {
  expect(fittedSize(width, height)).toEqual({ width: w, height: h });
});

test('a sliver stays large enough to press', () => {
  expect(fittedSize(10, 4000).width).toBe(120);
  expect(fittedSize(4000, 10).height).toBe(60);
});

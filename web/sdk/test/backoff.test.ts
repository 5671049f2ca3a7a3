import { describe, expect, it } from 'vitest';

import { Backoff } from '../src/net/backoff';

describe('Backoff', () => {
  it('doubles its ceiling up to the cap, and starts over', () => {
    const backoff = new Backoff({ baseMs: 500, capMs: 3_000, random: () => 1 });
    expect([1, 2, 3, 4, 5].map(() => backoff.next())).toEqual([500, 1_000, 2_000, 3_000, 3_000]);
    backoff.reset();
    expect(backoff.next()).toBe(500);
  });

  it('spreads over the whole range but never hammers', () => {
    expect(new Backoff({ baseMs: 500, capMs: 3_000, random: () => 0 }).next()).toBe(50);
    expect(new Backoff({ baseMs: 500, capMs: 3_000, random: () => 0.5 }).next()).toBe(250);
  });
});

import { describe, expect, it } from 'vitest';

import { earliest, toLocalInput } from './when';

describe('earliest', () => {
  it('is at least an hour ahead and on a quarter', () => {
    const now = Date.UTC(2026, 10, 17, 10, 7);
    expect(earliest(now)).toBe(Date.UTC(2026, 10, 17, 11, 15));
  });
});

describe('toLocalInput', () => {
  it('is read back as the same moment', () => {
    const at = new Date(2026, 0, 5, 9, 30).getTime();
    expect(new Date(toLocalInput(at)).getTime()).toBe(at);
    expect(toLocalInput(at)).toBe('2026-01-05T09:30');
  });
});

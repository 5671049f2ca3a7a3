import { describe, expect, it } from 'vitest';

import { uuidv7 } from '../src/ids';

describe('uuidv7', () => {
  it('has the version, the variant and the time', () => {
    const id = uuidv7(0x0190_1234_5678);
    expect(id).toMatch(/^01901234-5678-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('sorts by time and is unique', () => {
    const ids = Array.from({ length: 500 }, (_, index) => uuidv7(1_700_000_000_000 + index));
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(Array.from({ length: 500 }, () => uuidv7(1))).size).toBe(500);
  });
});

import { describe, expect, it } from 'vitest';

import { shown } from './useOwnStatus';

describe('the own status', () => {
  it('is what the others see, once the house has said it', () => {
    expect(shown(true, 'busy', 'online')).toBe('busy');
    expect(shown(true, 'away', 'online')).toBe('away');
    expect(shown(true, 'online', 'busy')).toBe('online');
  });

  it('is the chosen one until the house has heard of the connection', () => {
    expect(shown(true, undefined, 'away')).toBe('away');
    expect(shown(true, 'offline', 'busy')).toBe('busy');
  });

  it('is offline without a connection, whatever was said before', () => {
    expect(shown(false, 'busy', 'online')).toBe('offline');
  });
});

import { describe, expect, it } from 'vitest';

import { COUNTRIES, RUSSIA, masked, nationalDigits } from './phone';

describe('nationalDigits', () => {
  it.each([
    ['9123456789', '9123456789'],
    ['+7 912 345-67-89', '9123456789'],
    ['8 (912) 345-67-89', '9123456789'],
    ['79123456789', '9123456789'],
    ['+7', ''],
    ['912345678912', '9123456789'],
  ])('reads %s', (text, digits) => {
    expect(nationalDigits(text, RUSSIA)).toBe(digits);
  });

  it('keeps a leading 7 or 8 that belongs to the number', () => {
    expect(nationalDigits('7712345678', RUSSIA)).toBe('7712345678');
    expect(nationalDigits('8002000600', RUSSIA)).toBe('8002000600');
  });
});

describe('masked', () => {
  it('groups what is there', () => {
    expect(masked('', RUSSIA)).toBe('');
    expect(masked('912', RUSSIA)).toBe('912');
    expect(masked('91234', RUSSIA)).toBe('912 34');
    expect(masked('9123456789', RUSSIA)).toBe('912 345-67-89');
  });

  it('follows the country', () => {
    const armenia = COUNTRIES.find((country) => country.iso === 'AM') ?? RUSSIA;
    expect(masked('91234567', armenia)).toBe('91 234-567');
  });
});

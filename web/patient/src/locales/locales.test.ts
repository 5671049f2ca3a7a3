import { describe, expect, it } from 'vitest';

import en from './en.json';
import ru from './ru.json';

type Words = { [key: string]: string | Words };

function keys(words: Words, prefix = ''): string[] {
  return Object.entries(words).flatMap(([key, value]) =>
    typeof value === 'string' ? [prefix + key] : keys(value, `${prefix}${key}.`),
  );
}

/** A plural key counts once, whatever forms its language has. */
function stems(words: Words): Set<string> {
  return new Set(keys(words).map((key) => key.replace(/_(one|few|many|other)$/, '')));
}

function forms(words: Words, stem: string): string[] {
  const known = new Set(keys(words));
  return ['one', 'few', 'many', 'other'].map((form) => `${stem}_${form}`).filter((key) => known.has(key));
}

describe('words', () => {
  it('are the same in both languages', () => {
    expect([...stems(en)].sort()).toEqual([...stems(ru)].sort());
  });

  it('have every plural form of their language', () => {
    const plurals = [...stems(ru)].filter((stem) => forms(ru, stem).length > 0);
    expect(plurals.length).toBeGreaterThan(5);
    for (const stem of plurals) {
      expect(forms(ru, stem)).toHaveLength(4);
      expect(forms(en, stem)).toHaveLength(2);
    }
  });

  it('use no exclamation marks', () => {
    expect(JSON.stringify(ru)).not.toContain('!');
  });
});

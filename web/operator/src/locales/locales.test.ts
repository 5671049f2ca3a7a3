import { expect, test } from 'vitest';

import en from './en.json';
import ru from './ru.json';

type Words = { [key: string]: string | Words };

// Languages have different numbers of plural forms.
const PLURAL = /_(zero|one|two|few|many|other)$/;

function keysOf(words: Words, prefix = ''): string[] {
  return Object.entries(words).flatMap(([key, value]) =>
    typeof value === 'string' ? [(prefix + key).replace(PLURAL, '')] : keysOf(value, `${prefix}${key}.`));
}

const sources = import.meta.glob('../**/*.{ts,tsx}', { query: '?raw', import: 'default', eager: true });

test('both languages say the same things', () => {
  expect([...new Set(keysOf(en))].sort()).toEqual([...new Set(keysOf(ru))].sort());
});

test('Russian has all its plural forms', () => {
  const forms = (words: Words): string[] => Object.entries(words).flatMap(([key, value]) =>
    typeof value === 'string' ? [key] : forms(value));
  const stems = forms(ru).filter((key) => key.endsWith('_one')).length;
  for (const form of ['few', 'many', 'other']) {
    expect(forms(ru).filter((key) => key.endsWith(`_${form}`))).toHaveLength(stems);
  }
});

test('every key that the code names has words', () => {
  const known = new Set(keysOf(ru));
  const named = Object.entries(sources)
    .filter(([path]) => !path.includes('.test.'))
    .flatMap(([, text]) => [...String(text).matchAll(/'([a-z]+\.[A-Za-z_.]+)'/g)].map((match) => match[1] ?? ''))
    .filter((key) => Object.hasOwn(ru, key.split('.')[0] ?? ''));
  expect(named.filter((key) => !known.has(key))).toEqual([]);
});

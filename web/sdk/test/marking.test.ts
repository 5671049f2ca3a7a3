import { describe, expect, it } from 'vitest';

import { foundWords, marked } from '../src/chat/marking';
import type { MessageHit } from '../src/rest-types';

const shown = (text: string, words: string[]) =>
  marked(text, words).map((part) => (part.hit ? `[${part.text}]` : part.text)).join('');

describe('found words', () => {
  it('are whole words, in any case, wherever they stand', () => {
    expect(shown('Горло болит, а горловина нет. ГОРЛО', ['горло'])).toBe('[Горло] болит, а горловина нет. [ГОРЛО]');
    expect(shown('120/80', ['80', '120'])).toBe('[120]/[80]');
    expect(shown('Ещё кашель', ['ещё'])).toBe('[Ещё] кашель');
  });

  it('leave a text as it is when none is in it', () => {
    expect(marked('текст', [])).toEqual([{ text: 'текст', hit: false }]);
    expect(marked('', ['x'])).toEqual([{ text: '', hit: false }]);
  });

  it('are those of the text and of the file', () => {
    const part = (text: string, hit: boolean) => ({ text, hit });
    const hit = { snippet: [part('а', true), part(' б', false)], file_name: [part('в', true)] };
    expect(foundWords(hit as MessageHit)).toEqual(['а', 'в']);
  });
});

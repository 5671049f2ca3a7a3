/** Words that a search found, shown where they stand. */
import type { MessageHit, SnippetPart } from '../rest-types';

const WORD = /[\p{L}\p{N}]+/gu;

/** The words that were found, as they are written there. */
export function foundWords(hit: MessageHit): string[] {
  return [...hit.snippet, ...hit.file_name].filter((part) => part.hit).map((part) => part.text);
}

/** The whole text with those words told apart; without any, one part. */
export function marked(text: string, words: readonly string[]): SnippetPart[] {
  const found = new Set(words.map((word) => word.toLocaleLowerCase()));
  const parts: SnippetPart[] = [];
  let end = 0;
  for (const match of text.matchAll(WORD)) {
    if (!found.has(match[0].toLocaleLowerCase())) continue;
    if (match.index > end) parts.push({ text: text.slice(end, match.index), hit: false });
    end = match.index + match[0].length;
    parts.push({ text: match[0], hit: true });
  }
  if (end < text.length || parts.length === 0) parts.push({ text: text.slice(end), hit: false });
  return parts;
}

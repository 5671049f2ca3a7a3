import type { SnippetPart } from '@housecall/sdk';

import './marked.css';

/** A text with what was looked for made visible. */
export function Marked({ parts }: { parts: readonly SnippetPart[] }) {
  return parts.map((part, at) => (part.hit ? <mark key={at} className="hc-mark">{part.text}</mark> : part.text));
}

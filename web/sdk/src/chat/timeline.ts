/** A conversation as rows: day headings, consultation dividers, system pills, grouped bubbles. */
import type { ChatItem } from '../types';

export type TimelineRow =
  | { kind: 'day'; key: string; at: number }
  | { kind: 'consultation'; key: string; item: ChatItem }
  | { kind: 'system'; key: string; item: ChatItem }
  | { kind: 'message'; key: string; item: ChatItem; first: boolean; last: boolean };

export function timeline(items: readonly ChatItem[], timeZone?: string): TimelineRow[] {
  const dayOf = dayFormatter(timeZone);
  const rows: TimelineRow[] = [];
  let day = '';
  for (const [index, item] of items.entries()) {
    const itemDay = dayOf(item.sentAt);
    if (itemDay !== day) {
      day = itemDay;
      rows.push({ kind: 'day', key: `day:${day}:${item.key}`, at: item.sentAt });
    }
    if (item.body.kind === 'system') {
      const divides = item.body.event.event === 'consultation_opened';
      rows.push({ kind: divides ? 'consultation' : 'system', key: item.key, item });
      continue;
    }
    const previous = items[index - 1];
    const next = items[index + 1];
    rows.push({
      kind: 'message',
      key: item.key,
      item,
      first: !previous || !together(previous, item) || dayOf(previous.sentAt) !== itemDay,
      last: !next || !together(item, next) || dayOf(next.sentAt) !== itemDay,
    });
  }
  return rows;
}

/** One person within one minute, and notes apart from words to the patient. */
function together(a: ChatItem, b: ChatItem): boolean {
  if (a.body.kind === 'system' || b.body.kind === 'system') return false;
  if ((a.body.kind === 'note') !== (b.body.kind === 'note')) return false;
  return a.sender === b.sender && Math.floor(a.sentAt / 60_000) === Math.floor(b.sentAt / 60_000);
}

function dayFormatter(timeZone?: string): (at: number) => string {
  const format = new Intl.DateTimeFormat('en-CA', timeZone ? { timeZone } : {});
  return (at) => format.format(at);
}

/**
 * Turns a conversation into what is drawn: day headings, consultation dividers,
 * system pills, call records, and bubbles grouped by sender and minute.
 */
import type { ChatItem, SystemEvent } from '@housecall/sdk';

import { MINUTE_MS, sameDay } from '../format/time';

type ConsultationOpened = Extract<SystemEvent, { event: 'consultation_opened' }>;
type CallEnded = Extract<SystemEvent, { event: 'call_ended' }>;

type Placed = { key: string; at: number; seq: number | null };

export type TimelineRow =
  | { kind: 'day'; key: string; at: number }
  | ({ kind: 'divider'; event: ConsultationOpened } & Placed)
  | ({ kind: 'call'; event: CallEnded } & Placed)
  | ({ kind: 'event'; event: SystemEvent } & Placed)
  | { kind: 'bubble'; key: string; item: ChatItem; first: boolean; last: boolean };

function systemRow(item: ChatItem, event: SystemEvent): TimelineRow {
  const placed = { key: item.key, at: item.sentAt, seq: item.seq };
  if (event.event === 'consultation_opened') return { kind: 'divider', event, ...placed };
  if (event.event === 'call_ended') return { kind: 'call', event, ...placed };
  return { kind: 'event', event, ...placed };
}

/** Same writer, same sort, same minute: one group with one tail. */
function together(a: ChatItem, b: ChatItem): boolean {
  return (
    a.sender === b.sender &&
    (a.body.kind === 'note') === (b.body.kind === 'note') &&
    Math.floor(a.sentAt / MINUTE_MS) === Math.floor(b.sentAt / MINUTE_MS)
  );
}

export function timeline(items: readonly ChatItem[]): TimelineRow[] {
  const rows: TimelineRow[] = [];
  let before: ChatItem | undefined;
  for (const item of items) {
    if (item.body.kind === 'hidden') continue;
    if (!before || !sameDay(before.sentAt, item.sentAt)) {
      rows.push({ kind: 'day', key: `day-${item.key}`, at: item.sentAt });
    }
    before = item;
    if (item.body.kind === 'system') {
      rows.push(systemRow(item, item.body.event));
      continue;
    }
    const previous = rows.at(-1);
    const joins = previous?.kind === 'bubble' && together(previous.item, item);
    if (joins) previous.last = false;
    rows.push({ kind: 'bubble', key: item.key, item, first: !joins, last: true });
  }
  return rows;
}

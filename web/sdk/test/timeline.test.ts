import { describe, expect, it } from 'vitest';

import { timeline } from '../src/chat/timeline';
import type { ChatItem } from '../src/types';

const MINUTE = 60_000;
const NOON = Date.UTC(2026, 10, 17, 12);

function item(sender: string, at: number, body: ChatItem['body'] = { kind: 'text', text: 'x' }): ChatItem {
  const key = `${sender}${at}`;
  return {
    key,
    seq: 1,
    clientMessageId: null,
    own: false,
    sender,
    senderName: sender,
    senderKind: 'operator',
    sentAt: at,
    consultation: null,
    body,
    replyTo: null,
    editedAt: null,
    change: null,
    state: 'received',
    error: null,
  };
}

describe('timeline', () => {
  it('groups one person within one minute', () => {
    const rows = timeline([item('a', NOON), item('a', NOON + 5_000), item('b', NOON + 6_000), item('a', NOON + MINUTE)], 'UTC');
    const groups = rows.flatMap((row) => (row.kind === 'message' ? [[row.first, row.last]] : []));
    expect(groups).toEqual([
      [true, false],
      [false, true],
      [true, true],
      [true, true],
    ]);
  });

  it('heads each day in the reader’s zone', () => {
    const late = Date.UTC(2026, 10, 17, 22);
    const days = (zone: string) => timeline([item('a', NOON), item('a', late)], zone).filter((row) => row.kind === 'day');
    expect(days('UTC')).toHaveLength(1);
    expect(days('Asia/Vladivostok')).toHaveLength(2);
  });

  it('keeps notes apart from words to the patient', () => {
    const rows = timeline([item('a', NOON, { kind: 'note', text: 'n' }), item('a', NOON + 1)], 'UTC');
    expect(rows.filter((row) => row.kind === 'message' && row.first)).toHaveLength(2);
  });
});

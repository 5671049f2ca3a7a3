import type { ChatItem, MessageBody } from '@housecall/sdk';
import { expect, test } from 'vitest';

import { timeline } from './timeline';

const noon = new Date(2026, 9, 12, 12).getTime();

function item(seq: number, sender: string | null, minutes: number, body?: MessageBody): ChatItem {
  return {
    key: `seq-${seq}`,
    seq,
    clientMessageId: null,
    own: sender === 'me',
    sender,
    senderName: sender,
    senderKind: sender === 'me' ? 'operator' : 'patient',
    sentAt: noon + minutes * 60_000,
    consultation: null,
    body: body ?? { kind: 'text', text: `message ${seq}` },
    state: sender === 'me' ? 'sent' : 'received',
    error: null,
  };
}

const shape = (items: ChatItem[]) =>
  timeline(items).map((row) =>
    row.kind === 'bubble' ? `${row.first ? '<' : '-'}${row.item.seq}${row.last ? '>' : '-'}` : row.kind,
  );

test('one writer within a minute makes one group', () => {
  expect(shape([item(1, 'p', 0), item(2, 'p', 0.5), item(3, 'me', 0.6), item(4, 'p', 2)]))
    .toEqual(['day', '<1-', '-2>', '<3>', '<4>']);
});

test('a note never joins the bubble above it', () => {
  expect(shape([item(1, 'me', 0), item(2, 'me', 0, { kind: 'note', text: 'n' })]))
    .toEqual(['day', '<1>', '<2>']);
});

test('each day has one heading', () => {
  expect(shape([item(1, 'p', 0), item(2, 'p', 24 * 60), item(3, 'p', 24 * 60)]))
    .toEqual(['day', '<1>', 'day', '<2-', '-3>']);
});

test('hidden messages leave no trace, system ones split groups', () => {
  const opened: MessageBody = {
    kind: 'system',
    event: { event: 'consultation_opened', consultation: 'c', number: 7, specialty: null },
  };
  expect(shape([item(1, 'p', 0), item(2, null, 0, { kind: 'hidden' }), item(3, null, 0, opened), item(4, 'p', 0)]))
    .toEqual(['day', '<1>', 'divider', '<4>']);
});

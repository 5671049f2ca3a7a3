import 'fake-indexeddb/auto';
import { describe, expect, it } from 'vitest';

import { LocalStorage } from '../src/chat/storage';
import type { FileView, Message } from '../src/generated/realtime';

const file = { id: 'f', name: 'a.png', media_type: 'image/png', size_bytes: 3, state: 'ready' } as FileView;

const message = (body: Message['body'], change: number): Message => ({
  seq: 1,
  sender: 'p',
  sender_name: null,
  sender_kind: 'patient',
  client_message_id: null,
  consultation: null,
  sent_at: 1,
  reply_to: null,
  edited_at: null,
  change,
  body,
});

describe('what is kept on the device', () => {
  it('loses the file of a deleted message, and only of that', async () => {
    const storage = new LocalStorage('test-deleted', true);
    await storage.putMessages('c', [message({ kind: 'file', file, caption: '' }, 0)]);
    await storage.putFile('f', new Blob(['abc']));
    await storage.putChanges('c', [message({ kind: 'file', file, caption: 'new' }, 1)], 1);
    expect(await storage.hasFile('f')).toBe(true);
    await storage.putChanges('c', [message({ kind: 'deleted' }, 2)], 2);
    expect(await storage.hasFile('f')).toBe(false);
    expect((await storage.newestMessages('c', 5)).map(({ body }) => body.kind)).toEqual(['deleted']);
    expect(await storage.changedUpTo('c')).toBe(2);
  });
});

import { beforeEach, describe, expect, it, vi } from 'vitest';

import type { Conversation } from '../src/chat/conversation';
import { connect, House, TALK, until } from './house';

let house: House;
let person = 0;
/** A fresh person, so a fresh database, for each test. */
const nextPerson = () => `aaaaaaaa-0000-7000-8000-1${String((person += 1)).padStart(11, '0')}`;

const texts = (conversation: Conversation) =>
  conversation.getSnapshot().items.map(({ body }) => (body.kind === 'text' ? body.text : body.kind));
const states = (conversation: Conversation) => conversation.getSnapshot().items.map((item) => item.state);
const ready = (conversation: Conversation) => until(conversation, () => conversation.getSnapshot().status === 'ready');

beforeEach(() => {
  house = new House();
  // Retries at once instead of after a random part of a second.
  vi.spyOn(Math, 'random').mockReturnValue(0);
});

describe('reading', () => {
  it('shows the newest page, then older ones on demand', async () => {
    const client = await connect(house);
    for (let n = 1; n <= 120; n += 1) house.messages.push(...written(n));
    const conversation = client.chat.conversation(TALK);
    conversation.open();
    await ready(conversation);
    expect(conversation.getSnapshot().items).toHaveLength(50);
    expect(conversation.getSnapshot().hasOlder).toBe(true);
    await conversation.loadOlder();
    await conversation.loadOlder();
    expect(conversation.getSnapshot().items.map((item) => item.seq)).toEqual(
      Array.from({ length: 120 }, (_, index) => index + 1),
    );
    expect(conversation.getSnapshot().hasOlder).toBe(false);
  });

  it('fetches what a lost nudge left out', async () => {
    const client = await connect(house, { person: nextPerson() });
    const conversation = client.chat.conversation(TALK);
    conversation.open();
    await ready(conversation);
    house.write('one');
    house.write('two', { quiet: true });
    house.write('three');
    await until(conversation, () => texts(conversation).length === 3);
    expect(texts(conversation)).toEqual(['one', 'two', 'three']);
  });

  it('learns of the last lost message from the beacon', async () => {
    const client = await connect(house, { person: nextPerson() });
    const conversation = client.chat.conversation(TALK);
    conversation.open();
    await ready(conversation);
    house.write('lost', { quiet: true });
    house.socket.event('chat.head', { conversation: TALK, head_seq: 1 });
    await until(conversation, () => texts(conversation).length === 1);
    expect(texts(conversation)).toEqual(['lost']);
  });

  it('resumes after a reconnect without a gap', async () => {
    const client = await connect(house, { person: nextPerson() });
    const conversation = client.chat.conversation(TALK);
    conversation.open();
    await ready(conversation);
    house.write('before');
    house.socket.lose();
    house.write('while away', { quiet: true });
    await until(conversation, () => texts(conversation).length === 2);
    expect(texts(conversation)).toEqual(['before', 'while away']);
    expect(house.received.filter((frame) => frame.type === 'hello').at(-1)?.data['previous']).toBe('connection-1');
  });

  it('is there from the device before the server answers', async () => {
    const me = nextPerson();
    const first = await connect(house, { person: me });
    const conversation = first.chat.conversation(TALK);
    conversation.open();
    await ready(conversation);
    house.write('kept');
    conversation.markRead();
    first.realtime.stop();

    const again = await connect(house, { person: me, start: false });
    const offline = again.chat.conversation(TALK);
    offline.open();
    await until(offline, () => offline.getSnapshot().status === 'cached');
    expect(texts(offline)).toEqual(['kept']);
    expect(offline.getSnapshot().unread).toBe(0);
  });

  it('counts and reports what was read', async () => {
    const client = await connect(house, { person: nextPerson() });
    const conversation = client.chat.conversation(TALK);
    conversation.open();
    await ready(conversation);
    house.write('one');
    house.write('two');
    expect(conversation.getSnapshot().unread).toBe(2);
    conversation.markRead();
    expect(conversation.getSnapshot().unread).toBe(0);
    await vi.waitFor(() => expect(house.marks).toEqual({ delivered: 2, read: 2 }));
  });
});

describe('writing', () => {
  it('goes from sending to read under one key', async () => {
    const me = nextPerson();
    const client = await connect(house, { person: me });
    const conversation = client.chat.conversation(TALK);
    conversation.open();
    await ready(conversation);
    conversation.sendText('hello');
    const key = conversation.getSnapshot().items[0]?.key;
    await until(conversation, () => house.messages.length === 1 && conversation.getSnapshot().items.length === 1);
    const receipt = { conversation: TALK, person: 'doctor', kind: 'operator', delivered_seq: 1, read_seq: 0 };
    house.socket.event('chat.receipt', receipt);
    house.socket.event('chat.receipt', { ...receipt, read_seq: 1 });
    // A late, lower mark does not take anything back.
    house.socket.event('chat.receipt', receipt);
    expect(conversation.getSnapshot().readByOthersSeq).toBe(1);
    expect(conversation.getSnapshot().items[0]?.key).toBe(key);
  });

  it('waits without a connection and goes out in order, once', async () => {
    const client = await connect(house, { person: nextPerson() });
    const conversation = client.chat.conversation(TALK);
    conversation.open();
    await ready(conversation);
    house.accepting = false;
    house.socket.lose();
    for (const text of ['one', 'two', 'three']) conversation.sendText(text);
    expect(states(conversation)).toEqual(['waiting', 'waiting', 'waiting']);
    house.accepting = true;
    await until(conversation, () => conversation.getSnapshot().headSeq === 3);
    expect(house.messages.map(({ body }) => body.kind === 'text' && body.text)).toEqual(['one', 'two', 'three']);
  });

  it('resends what was not acknowledged; the house stores it once', async () => {
    const client = await connect(house, { person: nextPerson() });
    const conversation = client.chat.conversation(TALK);
    conversation.open();
    await ready(conversation);
    house.silent.add('chat.send');
    conversation.sendText('hello');
    await vi.waitFor(() => expect(house.count('chat.send')).toBe(1));
    house.silent.clear();
    house.socket.lose();
    await vi.waitFor(() => expect(house.count('chat.send')).toBe(2));
    const [first, second] = house.received.filter((frame) => frame.type === 'chat.send');
    expect(second?.data['client_message_id']).toBe(first?.data['client_message_id']);
    await until(conversation, () => conversation.getSnapshot().headSeq === 1);
    expect(house.messages).toHaveLength(1);
  });

  it('keeps the outbox on the device', async () => {
    const me = nextPerson();
    const first = await connect(house, { person: me, start: false });
    const conversation = first.chat.conversation(TALK);
    conversation.sendText('one');
    conversation.sendText('two');
    await until(conversation, () => conversation.getSnapshot().items.length === 2);

    const again = await connect(house, { person: me });
    await vi.waitFor(async () => {
      await again.chat.resume();
      expect(house.messages.map(({ body }) => body.kind === 'text' && body.text)).toEqual(['one', 'two']);
    });
  });

  it('marks what is refused, goes on with the rest, and tries again when asked', async () => {
    const client = await connect(house, { person: nextPerson() });
    const conversation = client.chat.conversation(TALK);
    conversation.open();
    await ready(conversation);
    house.refusals.set('chat.send', [{ code: 'too_large' }]);
    conversation.sendText('long');
    conversation.sendText('short');
    await until(conversation, () => conversation.getSnapshot().items.some((item) => item.state === 'failed'));
    await vi.waitFor(() => expect(house.messages).toHaveLength(1));
    const failed = conversation.getSnapshot().items.find((item) => item.state === 'failed');
    expect(failed?.error).toBe('too_large');
    conversation.retry(failed?.clientMessageId ?? '');
    await vi.waitFor(() => expect(house.messages).toHaveLength(2));
  });

  it('waits when asked to slow down', async () => {
    const client = await connect(house, { person: nextPerson() });
    const conversation = client.chat.conversation(TALK);
    conversation.open();
    await ready(conversation);
    house.refusals.set('chat.send', [{ code: 'rate_limited', retry_after_ms: 20 }]);
    conversation.sendText('hello');
    await vi.waitFor(() => expect(house.messages).toHaveLength(1));
    expect(house.count('chat.send')).toBe(2);
  });
});

function written(n: number) {
  const one = new House();
  for (let index = 1; index < n; index += 1) one.messages.push(undefined as never);
  return [one.write(`message ${n}`, { quiet: true })];
}

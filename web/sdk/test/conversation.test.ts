import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { Conversation } from '../src/chat/conversation';
import { connect, disconnect, House, TALK, until } from './house';

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

afterEach(disconnect);

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

  it('does not wait for a lost ack when the message is seen, told of or found by the beacon', async () => {
    const client = await connect(house, { person: nextPerson() });
    const conversation = client.chat.conversation(TALK);
    conversation.open();
    await ready(conversation);
    house.mute.add('chat.send');
    conversation.sendText('one');
    conversation.sendText('two');
    await until(conversation, () => states(conversation).join() === 'sent,sent');
    house.hush = true;
    conversation.sendText('three');
    conversation.sendText('four');
    await vi.waitFor(() => expect(house.messages).toHaveLength(3));
    expect(states(conversation)).toEqual(['sent', 'sent', 'sending', 'waiting']);
    house.socket.event('chat.head', { conversation: TALK, head_seq: 3 });
    await vi.waitFor(() => expect(house.messages).toHaveLength(4));
    expect(texts(conversation)).toEqual(['one', 'two', 'three', 'four']);
    expect(house.count('chat.send')).toBe(4);
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

describe('changes', () => {
  const opened = async (me = nextPerson()) => {
    const client = await connect(house, { person: me });
    const conversation = client.chat.conversation(TALK);
    conversation.open();
    await ready(conversation);
    return { client, conversation };
  };
  const last = (conversation: Conversation) => {
    const item = conversation.getSnapshot().items.at(-1);
    if (!item) throw new Error('an empty conversation');
    return item;
  };
  const said = (conversation: Conversation, text: string) =>
    until(conversation, () => texts(conversation).includes(text) && last(conversation).change === null);

  it('of others are shown as they are made', async () => {
    const { conversation } = await opened();
    house.write('helo');
    house.write('bye');
    house.alter(1, 'hello');
    house.alter(2, null);
    expect(texts(conversation)).toEqual(['hello', 'deleted']);
    expect(conversation.getSnapshot().items[0]?.editedAt).not.toBeNull();
    // What was taken back is not waited for.
    expect(conversation.getSnapshot().unread).toBe(1);
  });

  it('that were missed are fetched, after a gap, by the beacon and after an absence', async () => {
    const { conversation } = await opened();
    for (const text of ['one', 'two', 'three']) house.write(text);
    house.alter(1, 'one!', { quiet: true });
    house.alter(2, 'two!');
    await said(conversation, 'one!');
    house.alter(3, 'three!', { quiet: true });
    house.socket.event('chat.head', { conversation: TALK, head_seq: 3, head_change: 3 });
    await said(conversation, 'three!');
    house.socket.lose();
    house.alter(1, null, { quiet: true });
    house.alter(2, 'again', { quiet: true });
    await said(conversation, 'again');
    expect(texts(conversation)).toEqual(['deleted', 'again', 'three!']);
  });

  it('of messages on the device reach it, also of those that are not shown', async () => {
    const me = nextPerson();
    const first = await opened(me);
    for (let n = 1; n <= 130; n += 1) house.write(`message ${n}`);
    await until(first.conversation, () => first.conversation.getSnapshot().headSeq === 130);
    first.client.realtime.stop();
    for (const seq of [2, 60, 130]) house.alter(seq, `changed ${seq}`, { quiet: true });

    const again = await opened(me);
    await said(again.conversation, 'changed 130');
    again.client.realtime.stop();
    const offline = await connect(house, { person: me, start: false });
    const conversation = offline.chat.conversation(TALK);
    conversation.open();
    await until(conversation, () => conversation.getSnapshot().status === 'cached');
    while (conversation.getSnapshot().hasOlder) await conversation.loadOlder();
    const shown = texts(conversation);
    expect([shown.length, shown[1], shown[59], shown[129]]).toEqual([130, 'changed 2', 'changed 60', 'changed 130']);
  });

  it('of one’s own are shown at once and sent when there is a connection, once', async () => {
    const { conversation } = await opened();
    conversation.sendText('helo');
    await until(conversation, () => last(conversation).seq === 1);
    house.accepting = false;
    house.socket.lose();
    conversation.edit(last(conversation), 'hell');
    conversation.edit(last(conversation), 'hello');
    expect([texts(conversation), last(conversation).change?.state]).toEqual([['hello'], 'waiting']);
    house.accepting = true;
    await said(conversation, 'hello');
    expect([house.change, house.messages[0]?.body]).toEqual([1, { kind: 'text', text: 'hello' }]);

    house.silent.add('chat.delete');
    conversation.remove(last(conversation));
    await vi.waitFor(() => expect(house.count('chat.delete')).toBe(1));
    expect(texts(conversation)).toEqual(['deleted']);
    house.silent.clear();
    house.socket.lose();
    await vi.waitFor(() => expect(house.count('chat.delete')).toBe(2));
    const [first, second] = house.received.filter((frame) => frame.type === 'chat.delete');
    expect(second?.data['client_change_id']).toBe(first?.data['client_change_id']);
    await until(conversation, () => last(conversation).change === null);
    expect(house.change).toBe(2);
  });

  it('are not waited for when their ack is lost and their effect is seen', async () => {
    const { conversation } = await opened();
    conversation.sendText('helo');
    await until(conversation, () => last(conversation).seq === 1);
    house.mute.add('chat.edit').add('chat.delete');
    conversation.edit(last(conversation), 'hello');
    await said(conversation, 'hello');
    house.hush = true;
    conversation.remove(last(conversation));
    await vi.waitFor(() => expect(house.change).toBe(2));
    expect(last(conversation).change?.state).toBe('sending');
    house.socket.event('chat.head', { conversation: TALK, head_seq: 1, head_change: 2 });
    await until(conversation, () => last(conversation).change === null);
    expect([texts(conversation), house.count('chat.edit'), house.count('chat.delete')]).toEqual([['deleted'], 1, 1]);
  });

  it('that are refused show what the message still says, until they are put away', async () => {
    const { conversation } = await opened();
    conversation.sendText('helo');
    await until(conversation, () => last(conversation).seq === 1);
    house.refusals.set('chat.edit', [{ code: 'conflict' }]);
    conversation.edit(last(conversation), 'hello');
    await until(conversation, () => last(conversation).change?.state === 'failed');
    expect([texts(conversation), last(conversation).change?.error]).toEqual([['helo'], 'conflict']);
    conversation.discard(last(conversation).change?.id ?? '');
    expect(last(conversation).change).toBeNull();
  });

  it('of a message that has never gone out are made before it goes', async () => {
    const { conversation } = await opened();
    house.accepting = false;
    house.socket.lose();
    conversation.sendText('helo');
    conversation.sendText('oops');
    await vi.waitFor(() => expect(conversation.canChange(last(conversation))).toBe(true));
    const [first, second] = conversation.getSnapshot().items;
    if (!first || !second) throw new Error('two messages wait');
    conversation.edit(first, 'hello');
    conversation.remove(second);
    house.accepting = true;
    await until(conversation, () => conversation.getSnapshot().headSeq === 1);
    expect(house.messages.map(({ body }) => body)).toEqual([{ kind: 'text', text: 'hello' }]);
    expect(house.change).toBe(0);
  });

  it('are allowed for own, recent, living messages', async () => {
    const { conversation } = await opened();
    house.write('theirs');
    conversation.sendText('own');
    await until(conversation, () => last(conversation).seq === 2);
    const [theirs, own] = conversation.getSnapshot().items;
    if (!theirs || !own) throw new Error('two messages');
    expect([conversation.canChange(theirs), conversation.canChange(own)]).toEqual([false, true]);
    const old = { ...own, sentAt: own.sentAt - 3_600_000 };
    expect([conversation.canChange(old), conversation.isTooLate(old), conversation.isTooLate(own)]).toEqual([false, true, false]);
    expect(conversation.canChange({ ...own, body: { kind: 'deleted' } })).toBe(false);
    expect([conversation.canReply(theirs), conversation.canReply({ ...theirs, seq: null })]).toEqual([true, false]);
  });

  it('survive a visit: what waits on the device is shown and sent by the next one', async () => {
    const me = nextPerson();
    const { client, conversation } = await opened(me);
    conversation.sendText('helo');
    await until(conversation, () => last(conversation).seq === 1);
    house.silent.add('chat.edit');
    conversation.edit(last(conversation), 'hello');
    await vi.waitFor(() => expect(house.count('chat.edit')).toBe(1));
    client.realtime.stop();
    house.silent.clear();
    const next = await opened(me);
    await said(next.conversation, 'hello');
    await vi.waitFor(() => expect(house.change).toBe(1));
  });
});

describe('a message far back', () => {
  it('is loaded back to, and is not there when it cannot be had', async () => {
    const client = await connect(house, { person: nextPerson() });
    const conversation = client.chat.conversation(TALK);
    for (let n = 1; n <= 700; n += 1) house.write(`message ${n}`, { quiet: true });
    conversation.open();
    await ready(conversation);
    expect(texts(conversation)).toHaveLength(50);
    expect(await conversation.reveal(120)).toBe(true);
    expect(texts(conversation)).toContain('message 120');
    expect(await conversation.reveal(701)).toBe(false);
    house.accepting = false;
    house.socket.lose();
    expect(await conversation.reveal(3)).toBe(false);
  });
});

describe('answers', () => {
  it('quote at once what they answer, and what it says later', async () => {
    const client = await connect(house, { person: nextPerson() });
    const conversation = client.chat.conversation(TALK);
    conversation.open();
    await ready(conversation);
    house.write('how are yu?');
    const question = conversation.getSnapshot().items[0];
    conversation.sendText('well', { replyTo: question ?? null });
    expect(conversation.getSnapshot().items[1]?.replyTo?.body).toEqual({ kind: 'text', text: 'how are yu?' });
    await until(conversation, () => conversation.getSnapshot().items[1]?.seq === 2);
    expect(house.messages[1]?.reply_to?.seq).toBe(1);
    house.alter(1, 'how are you?');
    expect(conversation.getSnapshot().items[1]?.replyTo?.body).toEqual({ kind: 'text', text: 'how are you?' });
  });
});

function written(n: number) {
  const one = new House();
  for (let index = 1; index < n; index += 1) one.messages.push(undefined as never);
  return [one.write(`message ${n}`, { quiet: true })];
}

/**
 * A transport double: a WebSocket whose other end is a small conversation in
 * memory. Only the wire is replaced; everything above it is the SDK itself.
 */
import 'fake-indexeddb/auto';

import type { Message } from '../src/generated/realtime';
import { createHousecall, type Housecall } from '../src/housecall';

export const ME = 'aaaaaaaa-0000-7000-8000-000000000001';
export const DOCTOR = 'aaaaaaaa-0000-7000-8000-000000000002';
export const TALK = 'cccccccc-0000-7000-8000-000000000001';

interface Frame {
  id?: number;
  type: string;
  data: Record<string, unknown>;
}

/** The server's side: what is stored, and how it answers. */
export class House {
  readonly messages: Message[] = [];
  /** Number of the last change. */
  change = 0;
  readonly received: Frame[] = [];
  readonly sockets: Socket[] = [];
  readonly marks = { delivered: 0, read: 0 };
  /** Answers to refuse, by frame type; each is used once. */
  readonly refusals = new Map<string, { code: string; retry_after_ms?: number }[]>();
  /** Frames of these types get no answer at all. */
  readonly silent = new Set<string>();
  /** What is done about frames of these types is not answered. */
  readonly mute = new Set<string>();
  /** Nothing is said of what is stored, but to who asks. */
  hush = false;
  accepting = true;
  /** Who is signed in. */
  person = ME;

  get socket(): Socket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error('nobody connected');
    return socket;
  }

  count(type: string): number {
    return this.received.filter((frame) => frame.type === type).length;
  }

  /** A message of the doctor; `quiet` ones are stored without a nudge. */
  write(text: string, options: { quiet?: boolean } = {}): Message {
    const message = this.store(DOCTOR, null, { kind: 'text', text });
    if (!options.quiet) this.socket.event('chat.message', { conversation: TALK, message });
    return message;
  }

  /** The author edits or deletes; `quiet` changes are made without a nudge. */
  alter(seq: number, text: string | null, options: { quiet?: boolean } = {}): Message {
    const message = this.changed(seq, text);
    if (!options.quiet) this.tellChange(message);
    return message;
  }

  tellChange(message: Message): void {
    this.socket.event('chat.change', { conversation: TALK, change: message.change, message });
  }

  private changed(seq: number, text: string | null): Message {
    const known = this.messages[seq - 1];
    if (!known) throw new Error(`no message ${seq}`);
    this.change += 1;
    const body: Message['body'] = text === null ? { kind: 'deleted' } : { kind: 'text', text };
    const message = { ...known, body, change: this.change, edited_at: text === null ? null : 1_700_000_000_000 };
    this.messages[seq - 1] = message;
    return message;
  }

  handle(socket: Socket, frame: Frame): void {
    this.received.push(frame);
    if (this.silent.has(frame.type)) return;
    const refusal = this.refusals.get(frame.type)?.shift();
    if (refusal) {
      socket.answer(frame.id, 'error', { message: 'refused', retry_after_ms: null, ...refusal });
      return;
    }
    switch (frame.type) {
      case 'hello':
        socket.answer(frame.id, 'welcome', welcome(this.sockets.length));
        return;
      case 'ping':
        socket.answer(frame.id, 'pong', {});
        return;
      case 'chat.open':
        socket.answer(frame.id, 'chat.state', {
          conversation: TALK,
          head_seq: this.messages.length,
          head_change: this.change,
          receipts: [],
        });
        return;
      case 'chat.edit':
      case 'chat.delete':
        this.acceptChange(socket, frame);
        return;
      case 'chat.fetch_changes':
        socket.answer(frame.id, 'chat.changes', this.changes(frame.data));
        return;
      case 'chat.fetch':
        socket.answer(frame.id, 'chat.page', this.page(frame.data));
        return;
      case 'chat.send':
        this.accept(socket, frame);
        return;
      case 'chat.receipt':
        this.marks.delivered = frame.data['delivered_seq'] as number;
        this.marks.read = frame.data['read_seq'] as number;
        return;
      default:
        socket.answer(frame.id, 'ok', {});
    }
  }

  private accept(socket: Socket, frame: Frame): void {
    const id = frame.data['client_message_id'] as string;
    const known = this.messages.find((message) => message.client_message_id === id);
    const replyTo = frame.data['reply_to'] as number | null;
    const message = known ?? this.store(this.person, id, frame.data['body'] as Message['body'], replyTo);
    if (!known && !this.hush) socket.event('chat.message', { conversation: TALK, message });
    const ack = { conversation: TALK, client_message_id: id, seq: message.seq, sent_at: message.sent_at };
    if (!this.mute.has(frame.type)) socket.answer(frame.id, 'chat.ack', ack);
  }

  private readonly changeIds = new Map<string, number>();

  private acceptChange(socket: Socket, frame: Frame): void {
    const id = frame.data['client_change_id'] as string;
    const known = this.changeIds.get(id);
    if (known === undefined) {
      const text = frame.type === 'chat.edit' ? (frame.data['text'] as string) : null;
      const message = this.changed(frame.data['seq'] as number, text);
      this.changeIds.set(id, message.change);
      if (!this.hush) socket.event('chat.change', { conversation: TALK, change: message.change, message });
    }
    if (this.mute.has(frame.type)) return;
    socket.answer(frame.id, 'chat.change_ack', {
      conversation: TALK,
      client_change_id: id,
      change: this.changeIds.get(id),
    });
  }

  changes(data: Record<string, unknown>) {
    const after = data['after_change'] as number;
    const limit = data['limit'] as number;
    const found = this.messages.filter((message) => message.change > after).sort((a, b) => a.change - b.change);
    const messages = found.slice(0, limit);
    const has_more = found.length > limit;
    const up_to_change = has_more ? (messages.at(-1)?.change ?? after) : this.change;
    return { conversation: TALK, messages, up_to_change, has_more };
  }

  private quote(seq: number | null): Message['reply_to'] {
    const quoted = seq === null ? undefined : this.messages[seq - 1];
    if (quoted?.body.kind !== 'text') return null;
    const { sender, sender_name, sender_kind, body } = quoted;
    return { seq: quoted.seq, sender, sender_name, sender_kind, body };
  }

  private store(
    sender: string,
    clientMessageId: string | null,
    body: Message['body'],
    replyTo: number | null = null,
  ): Message {
    const message: Message = {
      seq: this.messages.length + 1,
      sender,
      sender_name: sender === DOCTOR ? 'Илья' : 'Анна',
      sender_kind: sender === DOCTOR ? 'operator' : 'patient',
      client_message_id: clientMessageId,
      consultation: null,
      sent_at: Date.now() + this.messages.length,
      reply_to: this.quote(replyTo),
      edited_at: null,
      change: 0,
      body,
    };
    this.messages.push(message);
    return message;
  }

  private page(data: Record<string, unknown>) {
    const limit = data['limit'] as number;
    const after = data['after_seq'] as number | null;
    const before = data['before_seq'] as number | null;
    const all = this.messages.filter((message) => before === null || message.seq < before);
    const found = after === null ? all.slice(-limit) : all.filter((message) => message.seq > after).slice(0, limit);
    const first = found[0]?.seq ?? 1;
    const has_more = after === null ? first > 1 : (found.at(-1)?.seq ?? after) < this.messages.length;
    return { conversation: TALK, messages: found, head_seq: this.messages.length, head_change: this.change, has_more };
  }
}

export class Socket {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static house: House;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  readyState = Socket.CONNECTING;

  constructor(readonly url: string) {
    const { house } = Socket;
    house.sockets.push(this);
    queueMicrotask(() => {
      if (!house.accepting) {
        this.lose(1006);
        return;
      }
      this.readyState = Socket.OPEN;
      this.onopen?.();
    });
  }

  send(text: string): void {
    if (this.readyState === Socket.OPEN) Socket.house.handle(this, JSON.parse(text) as Frame);
  }

  close(): void {
    this.readyState = 3;
  }

  /** The connection breaks, or the server closes it. */
  lose(code = 1006, reason = ''): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  event(type: string, data: unknown): void {
    if (this.readyState === Socket.OPEN) this.onmessage?.({ data: JSON.stringify({ type, data }) });
  }

  answer(re: number | undefined, type: string, data: unknown): void {
    if (re === undefined) return;
    queueMicrotask(() => {
      if (this.readyState === Socket.OPEN) this.onmessage?.({ data: JSON.stringify({ re, type, data }) });
    });
  }
}

const clients: Housecall[] = [];

/** Ends the connections of a test: one that comes back would be the next house's newest. */
export function disconnect(): void {
  for (const client of clients.splice(0)) client.realtime.stop();
}

/** A signed-in client connected to this house. Each test has a person of its own, so a database of its own. */
export async function connect(house: House, options: { person?: string; start?: boolean } = {}): Promise<Housecall> {
  Socket.house = house;
  house.person = options.person ?? ME;
  Object.assign(globalThis, { WebSocket: Socket, fetch: answerRest(house.person) });
  const client = createHousecall({ kind: 'patient', cacheMessages: true });
  clients.push(client);
  await client.session.verifyCode('+79000000024', '000000');
  if (options.start !== false) client.realtime.start();
  return client;
}

/** Waits for a state, not for a time. */
export function until(store: { subscribe(listener: () => void): () => void }, holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    if (holds()) {
      resolve();
      return;
    }
    const stop = store.subscribe(() => {
      if (!holds()) return;
      stop();
      resolve();
    });
  });
}

function answerRest(person: string) {
  return async (url: string | Request) => {
    const path = typeof url === 'string' ? url : new URL(url.url).pathname;
    if (path.includes('/files?')) return Response.json({}, { status: 201 });
    return Response.json({
      access_token: `token-of-${person}`,
      expires_in_s: 900,
      me: { id: person, kind: 'patient', session: 's', name: 'Анна', needs_profile: false },
    });
  };
}

function welcome(connection: number) {
  return {
    protocol: 1,
    connection: `connection-${connection}`,
    session: 's',
    person: ME,
    kind: 'patient',
    server_time: Date.now() + 5_000,
    heartbeat_ms: 25_000,
    ice_servers: [],
    calls: [],
    conversation: TALK,
    limits: { message_characters: 4_000, file_bytes: 1_000_000, ring_seconds: 45, change_seconds: 3_600 },
  };
}

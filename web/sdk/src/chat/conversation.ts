/** One conversation as this client sees it: synchronised while open, readable and writable always. */
import type { Api } from '../api';
import type { Files } from '../files';
import type {
  ChatAck,
  ChatChange,
  ChatChangeAck,
  ChatHead,
  ChatPage,
  ClientMessageId,
  ConsultationId,
  ConversationId,
  Message,
  PersonId,
  PersonKind,
  Quote,
  ReceiptView,
  TypingView,
} from '../generated/realtime';
import { Backoff } from '../net/backoff';
import { RealtimeError } from '../net/errors';
import type { Realtime } from '../realtime';
import { Store } from '../store';
import type { ChatItem, ConversationSnapshot } from '../types';
import { ItemBuilder } from './items';
import { MessageLog, quoteBody } from './log';
import { Outbox, type OutboxEntry } from './outbox';
import { Receipts } from './receipts';
import type { LocalStorage } from './storage';
import { Typing } from './typing';

const PAGE = 50;
const CATCH_UP_PAGE = 200;
const REVEAL_PAGE = 200;
/** Further back than this, a message is not shown in its place: all between would have to be held. */
const MAX_REVEAL = 5_000;
/** Further behind than this, starting from the newest page is quicker than filling the gap. */
const MAX_CATCH_UP = 600;
const CHANGES_PAGE = 200;
/** More changes than this, and everything is read again. */
const MAX_CHANGES = 1_000;
/** Before the house has said its own. */
const DEFAULT_CHANGE_SECONDS = 3_600;

export interface ConversationDeps {
  me: PersonId;
  kind: PersonKind;
  realtime: Realtime;
  api: Api;
  files: Files;
  storage: LocalStorage;
}

export class Conversation extends Store<ConversationSnapshot> {
  private readonly log = new MessageLog();
  private readonly outbox: Outbox;
  private readonly receipts: Receipts;
  private readonly typing: Typing;
  private readonly builder: ItemBuilder;
  private holders = 0;
  private subscribed = false;
  private status: ConversationSnapshot['status'] = 'loading';
  private older: Promise<void> | null = null;
  private startReached = false;
  private cacheLoaded: Promise<void> | null = null;
  private syncing: Promise<void> | null = null;
  private syncAgain = false;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly backoff = new Backoff({ baseMs: 500, capMs: 10_000 });

  constructor(
    readonly id: ConversationId,
    private readonly deps: ConversationDeps,
  ) {
    super(emptySnapshot(id));
    const { realtime, me, kind } = deps;
    this.builder = new ItemBuilder(me);
    this.receipts = new Receipts(id, me, kind, realtime);
    this.typing = new Typing(id, realtime, () => this.publish());
    this.outbox = new Outbox(id, realtime, deps.api, deps.storage, {
      changed: () => this.publish(),
      acknowledged: (entry, ack) => this.acknowledge(entry, ack),
      changeAcknowledged: (entry, ack) => this.acknowledgeChange(entry, ack),
      uploaded: (file, bytes) => deps.files.adopt(file, bytes),
    });
  }

  /** Subscribes to the server's events while held; returns the release. */
  open(): () => void {
    this.holders += 1;
    if (this.holders === 1) {
      void this.outbox.load();
      void this.sync();
    }
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.holders -= 1;
      if (this.holders === 0) this.unsubscribe();
    };
  }

  /** The page before the first message shown; one at a time. */
  loadOlder(limit: number = PAGE): Promise<void> {
    if (!this.getSnapshot().hasOlder) return Promise.resolve();
    if (!this.older) {
      this.older = this.loadOlderOnce(limit).finally(() => {
        this.older = null;
        this.publish();
      });
      this.publish();
    }
    return this.older;
  }

  /** Loads back to that message. False when it cannot be had: no connection, too far back, none such. */
  async reveal(seq: number): Promise<boolean> {
    await this.sync();
    if (seq < this.log.high - MAX_REVEAL) return false;
    while (seq < this.log.low && this.getSnapshot().hasOlder) {
      const before = this.log.low;
      await this.loadOlder(REVEAL_PAGE).catch(() => undefined);
      if (this.log.low === before) return false;
    }
    return this.log.get(seq) !== undefined;
  }

  /** Loads back to the start of that consultation. */
  async loadConsultation(id: ConsultationId): Promise<void> {
    await this.sync();
    while (!this.holdsStartOf(id) && this.getSnapshot().hasOlder) {
      const before = this.log.low;
      await this.loadOlder();
      if (this.log.low === before) return;
    }
  }

  sendText(text: string, options: { replyTo?: ChatItem | null } = {}): void {
    this.typing.setOwn(false);
    this.outbox.addText('text', text, quote(options.replyTo));
  }

  /** Operators only: patients never see it. */
  sendNote(text: string, options: { replyTo?: ChatItem | null } = {}): void {
    this.typing.setOwn(false);
    this.outbox.addText('note', text, quote(options.replyTo));
  }

  sendFile(file: Blob, options: { name: string; caption?: string; replyTo?: ChatItem | null }): void {
    this.outbox.addFile(file, options.name, options.caption ?? '', quote(options.replyTo));
  }

  /** Whether the item is an own message that may still be edited and deleted. */
  canChange(item: ChatItem): boolean {
    if (!item.own) return false;
    if (item.seq === null) return item.clientMessageId !== null && this.outbox.isUntouched(item.clientMessageId);
    return saysSomething(item) && !this.isPast(item);
  }

  /** Whether it could have been changed, but the time for it is over. */
  isTooLate(item: ChatItem): boolean {
    return item.own && item.seq !== null && saysSomething(item) && this.isPast(item);
  }

  /** How long after sending a message may be changed; offline, as the last connection said. */
  get changeWindowMs(): number {
    const limits = this.deps.realtime.getSnapshot().welcome?.limits;
    return (limits?.change_seconds ?? DEFAULT_CHANGE_SECONDS) * 1_000;
  }

  /** Whether the item may be answered: it says something, and is in the conversation. */
  canReply(item: ChatItem): boolean {
    return item.seq !== null && saysSomething(item);
  }

  /** New words for an own message; of a file, its caption. */
  edit(item: ChatItem, text: string): void {
    this.typing.setOwn(false);
    if (item.seq !== null) this.outbox.addEdit(item.seq, text);
    else if (item.clientMessageId) this.outbox.rewrite(item.clientMessageId, text);
  }

  /** Takes an own message back. */
  remove(item: ChatItem): void {
    if (item.seq !== null) this.outbox.addDelete(item.seq);
    else if (item.clientMessageId) this.outbox.discard(item.clientMessageId);
  }

  retry(id: ClientMessageId): void {
    this.outbox.retry(id);
  }

  discard(id: ClientMessageId): void {
    this.outbox.discard(id);
  }

  /** Everything shown up to here was seen. Without an argument, everything. */
  markRead(seq: number = this.log.high): void {
    if (!this.receipts.mark({ read: Math.min(seq, this.log.high) })) return;
    this.keepMarks();
    this.publish();
  }

  setTyping(typing: boolean): void {
    this.typing.setOwn(typing);
  }

  /** Sends what waits, also of a conversation that is not open. */
  async drain(): Promise<void> {
    await this.outbox.drain();
  }

  // What the `Chat` hands on from the connection.

  handleOnline(): void {
    this.subscribed = false;
    this.receipts.forgetReported();
    if (this.holders > 0) void this.sync();
    void this.outbox.drain();
  }

  handleOffline(): void {
    this.subscribed = false;
    this.typing.clear();
    this.publish();
  }

  handleMessage(message: Message): void {
    if (message.sender) this.typing.forget(message.sender);
    this.take(this.log.append([message]));
    if (this.log.behind) void this.sync();
  }

  handleHead(head: ChatHead): void {
    this.log.noteHead(head.head_seq);
    this.log.noteChangeHead(head.head_change);
    if (this.isBehind && this.holders > 0) void this.sync();
  }

  handleChange(change: ChatChange): void {
    const touched = this.log.change(change.change, change.message);
    this.takeChanges([change.message, ...touched]);
    if (this.log.behindChanges && this.holders > 0) void this.sync();
  }

  handleReceipt(view: ReceiptView): void {
    this.receipts.handle(view);
    this.keepMarks();
    this.publish();
  }

  handleTyping(view: TypingView): void {
    if (view.person !== this.deps.me) this.typing.handle(view);
  }

  dispose(): void {
    clearTimeout(this.retryTimer);
    this.typing.clear();
    this.outbox.dispose();
  }

  /** Brings the log up to the server's head. One at a time; asked meanwhile, it goes on. */
  private sync(): Promise<void> {
    if (this.syncing) {
      this.syncAgain = true;
      return this.syncing;
    }
    this.syncing = this.syncOnce().finally(() => {
      this.syncing = null;
      if (!this.syncAgain) return;
      this.syncAgain = false;
      if (this.holders > 0 && (this.isBehind || !this.subscribed)) void this.sync();
    });
    return this.syncing;
  }

  private async syncOnce(): Promise<void> {
    clearTimeout(this.retryTimer);
    this.cacheLoaded ??= this.loadCache();
    await this.cacheLoaded;
    if (!this.deps.realtime.online) return;
    try {
      await this.subscribeOnce();
      await this.catchUp();
      await this.catchUpChanges();
      this.backoff.reset();
      this.status = 'ready';
      this.receipts.report();
      this.publish();
    } catch (error) {
      this.handleSyncFailure(error);
    }
  }

  private async subscribeOnce(): Promise<void> {
    if (this.subscribed) return;
    const state = await this.deps.realtime.request('chat.open', { conversation: this.id });
    this.subscribed = true;
    this.log.noteHead(state.head_seq);
    // Whatever is read from now on is as after that change.
    if (this.log.high === 0) this.startChanges(state.head_change);
    else this.log.noteChangeHead(state.head_change);
    for (const view of state.receipts) this.receipts.handle(view);
    this.keepMarks();
  }

  private async catchUp(): Promise<void> {
    if (this.log.high === 0 || this.log.head - this.log.high > MAX_CATCH_UP) {
      const page = await this.fetch({ limit: PAGE });
      this.startReached = !page.has_more;
      this.take(this.log.replace(page.messages));
    }
    while (this.log.behind) {
      const before = this.log.high;
      const page = await this.fetch({ after_seq: before, limit: CATCH_UP_PAGE });
      this.take(this.log.append(page.messages));
      // A head beyond what the server gives would otherwise spin.
      if (this.log.high === before) throw new RealtimeError('unavailable', 'the page did not reach the head');
    }
  }

  private async catchUpChanges(): Promise<void> {
    if (this.log.missedChanges > MAX_CHANGES) await this.startAgain();
    while (this.log.behindChanges) {
      const before = this.log.changedUpTo;
      await this.fetchChanges(before);
      if (this.log.changedUpTo === before) throw new RealtimeError('unavailable', 'the page did not reach the change');
    }
  }

  private async fetchChanges(after: number): Promise<void> {
    const page = await this.deps.realtime.request('chat.fetch_changes', {
      conversation: this.id,
      after_change: after,
      limit: CHANGES_PAGE,
    });
    const touched = this.log.changes(page.messages, after, page.up_to_change);
    // Messages outside of the window may be kept on the device.
    this.takeChanges([...page.messages, ...touched]);
  }

  /** So much has changed that what is held is not worth keeping. */
  private async startAgain(): Promise<void> {
    await this.deps.storage.forgetMessages(this.id);
    const page = await this.fetch({ limit: PAGE });
    this.startChanges(page.head_change);
    this.startReached = !page.has_more;
    this.take(this.log.replace(page.messages));
  }

  private startChanges(change: number): void {
    this.log.startChanges(change);
    void this.deps.storage.putChanges(this.id, [], change);
  }

  private get isBehind(): boolean {
    return this.log.behind || this.log.behindChanges;
  }

  private async fetch(range: { after_seq?: number; before_seq?: number; limit: number }): Promise<ChatPage> {
    const page = await this.deps.realtime.request('chat.fetch', {
      conversation: this.id,
      after_seq: range.after_seq ?? null,
      before_seq: range.before_seq ?? null,
      limit: range.limit,
    });
    this.log.noteHead(page.head_seq);
    if (this.log.joinedBy(page.head_change)) void this.deps.storage.putChanges(this.id, [], page.head_change);
    return page;
  }

  private handleSyncFailure(error: unknown): void {
    if (error instanceof RealtimeError && (error.code === 'forbidden' || error.code === 'not_found')) {
      this.status = 'forbidden';
      this.publish();
      return;
    }
    // A reconnect starts the next try by itself.
    if (this.deps.realtime.online) this.retryTimer = setTimeout(() => void this.sync(), this.backoff.next());
  }

  private async loadOlderOnce(limit: number): Promise<void> {
    this.log.prepend(await this.olderPage(limit));
    if (this.log.behindChanges) void this.sync();
  }

  private async olderPage(limit: number): Promise<Message[]> {
    const before = this.log.low;
    if (!this.deps.realtime.online) return this.deps.storage.messagesBefore(this.id, before, limit);
    const page = await this.fetch({ before_seq: before, limit });
    this.startReached = !page.has_more;
    void this.deps.storage.putMessages(this.id, page.messages);
    return page.messages;
  }

  private async loadCache(): Promise<void> {
    const cached = await this.deps.storage.newestMessages(this.id, PAGE * 2);
    if (this.log.high > 0 || cached.length === 0) return;
    for (const view of await this.deps.storage.marks(this.id)) this.receipts.handle(view);
    // What was read without a network has yet to be told.
    this.receipts.forgetReported();
    const changed = await this.deps.storage.changedUpTo(this.id);
    if (this.log.high > 0) return;
    this.log.replace(cached);
    this.log.startChanges(changed ?? 0);
    this.startReached = this.log.low === 1;
    this.status = 'cached';
    this.publish();
  }

  /** Messages became part of the log. */
  private take(added: readonly Message[]): void {
    if (added.length === 0) return;
    for (const message of added) {
      if (message.client_message_id && message.sender === this.deps.me) this.outbox.confirm(message.client_message_id);
    }
    void this.deps.storage.putMessages(this.id, added);
    if (this.holders > 0) this.receipts.mark({ delivered: this.log.high });
    this.publish();
  }

  /** Messages are as they are now, here and on the device. */
  private takeChanges(changed: readonly Message[]): void {
    for (const message of changed) {
      const { seq, body, change } = message;
      if (body.kind === 'deleted' || body.kind === 'deleted_note') this.outbox.dropChanges(seq);
      this.outbox.confirmChanges(seq, change);
      this.outbox.confirmEffect(message);
    }
    // Before anything was read, how far the changes are known is not known either.
    const upTo = this.log.high > 0 ? this.log.changedUpTo : null;
    void this.deps.storage.putChanges(this.id, changed, upTo);
    this.publish();
  }

  private keepMarks(): void {
    void this.deps.storage.putMarks(this.id, this.receipts.all());
  }

  private acknowledge(entry: OutboxEntry, ack: ChatAck): void {
    const { id } = entry.record;
    // The event with the same message came first, or nobody looks at the log.
    if (ack.seq <= this.log.high || this.holders === 0) this.outbox.confirm(id);
    else this.take(this.log.append([acknowledgedMessage(entry, ack, this.deps)]));
    if (this.log.behind && this.holders > 0) void this.sync();
    this.publish();
  }

  private acknowledgeChange(entry: OutboxEntry, ack: ChatChangeAck): void {
    // Shown until the change itself arrives, unless nobody looks, or it came first.
    if (this.holders === 0 || ack.change <= this.log.changedUpTo) this.outbox.confirm(entry.record.id);
    else this.log.noteChangeHead(ack.change);
    if (this.log.behindChanges && this.holders > 0) void this.sync();
    this.publish();
  }

  private unsubscribe(): void {
    clearTimeout(this.retryTimer);
    this.typing.clear();
    if (this.subscribed) this.deps.realtime.send('chat.close', { conversation: this.id });
    this.subscribed = false;
  }

  private holdsStartOf(id: ConsultationId): boolean {
    for (const { body } of this.log.messages()) {
      if (body.kind === 'system' && body.event.event === 'consultation_opened' && body.event.consultation === id) {
        return true;
      }
    }
    return false;
  }

  private isPast(item: ChatItem): boolean {
    return this.deps.realtime.serverNow() - item.sentAt >= this.changeWindowMs;
  }

  private unreadCount(): number {
    let unread = 0;
    for (const message of this.log.messages()) {
      if (message.seq <= this.receipts.readSeq || message.sender === this.deps.me) continue;
      if (message.sender_kind !== this.deps.kind && isWritten(message)) unread += 1;
    }
    return unread;
  }

  private publish(): void {
    const others = this.receipts.others();
    this.set({
      id: this.id,
      status: this.status,
      items: this.builder.build(this.log, this.outbox.list(), others),
      hasOlder: this.log.low > 1 && !this.startReached,
      loadingOlder: this.older !== null,
      headSeq: this.log.head,
      readSeq: this.receipts.readSeq,
      deliveredByOthersSeq: others.delivered,
      readByOthersSeq: others.read,
      unread: this.unreadCount(),
      typing: this.typing.list(),
    });
  }
}

/** It is neither deleted nor the system's. */
function saysSomething({ body }: ChatItem): boolean {
  return body.kind === 'text' || body.kind === 'file' || body.kind === 'note';
}

/** What an answer shows of the message it is to. */
function quote(item: ChatItem | null | undefined): Quote | null {
  if (!item || item.seq === null || item.body.kind === 'pending_file') return null;
  const body = quoteBody(item.body);
  if (!body) return null;
  return { seq: item.seq, sender: item.sender, sender_name: item.senderName, sender_kind: item.senderKind, body };
}

function isWritten(message: Message): boolean {
  return message.body.kind === 'text' || message.body.kind === 'file';
}

/** The own message as the server stored it, known from the ack alone. */
function acknowledgedMessage(entry: OutboxEntry, ack: ChatAck, deps: ConversationDeps): Message {
  const { body } = entry.record;
  return {
    seq: ack.seq,
    sender: deps.me,
    sender_name: null,
    sender_kind: deps.kind,
    client_message_id: ack.client_message_id,
    consultation: null,
    sent_at: ack.sent_at,
    reply_to: entry.record.replyTo ?? null,
    edited_at: null,
    change: 0,
    body: acknowledgedBody(body),
  };
}

function acknowledgedBody(body: OutboxEntry['record']['body']): Message['body'] {
  switch (body.kind) {
    case 'text':
    case 'note':
      return { kind: body.kind, text: body.text };
    case 'file':
      return body.uploaded
        ? { kind: 'file', file: body.uploaded, caption: body.caption }
        : { kind: 'text', text: body.caption };
    case 'edit':
    case 'delete':
      throw new Error('a change is not a message');
  }
}

function emptySnapshot(id: ConversationId): ConversationSnapshot {
  return {
    id,
    status: 'loading',
    items: [],
    hasOlder: false,
    loadingOlder: false,
    headSeq: 0,
    readSeq: 0,
    deliveredByOthersSeq: 0,
    readByOthersSeq: 0,
    unread: 0,
    typing: [],
  };
}

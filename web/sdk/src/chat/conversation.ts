/** One conversation as this client sees it: synchronised while open, readable and writable always. */
import type { Api } from '../api';
import type { Files } from '../files';
import type {
  ChatAck,
  ChatPage,
  ClientMessageId,
  ConsultationId,
  ConversationId,
  Message,
  PersonId,
  PersonKind,
  ReceiptView,
  TypingView,
} from '../generated/realtime';
import { Backoff } from '../net/backoff';
import { RealtimeError } from '../net/errors';
import type { Realtime } from '../realtime';
import { Store } from '../store';
import type { ConversationSnapshot } from '../types';
import { ItemBuilder } from './items';
import { MessageLog } from './log';
import { Outbox, type OutboxEntry } from './outbox';
import { Receipts } from './receipts';
import type { LocalStorage } from './storage';
import { Typing } from './typing';

const PAGE = 50;
const CATCH_UP_PAGE = 200;
/** Further behind than this, starting from the newest page is quicker than filling the gap. */
const MAX_CATCH_UP = 600;

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
  private loadingOlder = false;
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

  async loadOlder(): Promise<void> {
    if (this.loadingOlder || !this.getSnapshot().hasOlder) return;
    this.loadingOlder = true;
    this.publish();
    try {
      const page = await this.olderPage();
      this.log.prepend(page);
    } finally {
      this.loadingOlder = false;
      this.publish();
    }
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

  sendText(text: string): void {
    this.typing.setOwn(false);
    this.outbox.addText('text', text);
  }

  /** Operators only: patients never see it. */
  sendNote(text: string): void {
    this.typing.setOwn(false);
    this.outbox.addText('note', text);
  }

  sendFile(file: Blob, options: { name: string; caption?: string }): void {
    this.outbox.addFile(file, options.name, options.caption ?? '');
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

  handleHead(seq: number): void {
    this.log.noteHead(seq);
    if (this.log.behind && this.holders > 0) void this.sync();
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
      if (this.holders > 0 && (this.log.behind || !this.subscribed)) void this.sync();
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

  private async fetch(range: { after_seq?: number; before_seq?: number; limit: number }): Promise<ChatPage> {
    const page = await this.deps.realtime.request('chat.fetch', {
      conversation: this.id,
      after_seq: range.after_seq ?? null,
      before_seq: range.before_seq ?? null,
      limit: range.limit,
    });
    this.log.noteHead(page.head_seq);
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

  private async olderPage(): Promise<Message[]> {
    const before = this.log.low;
    if (!this.deps.realtime.online) return this.deps.storage.messagesBefore(this.id, before, PAGE);
    const page = await this.fetch({ before_seq: before, limit: PAGE });
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
    if (this.log.high > 0) return;
    this.log.replace(cached);
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
      loadingOlder: this.loadingOlder,
      headSeq: this.log.head,
      readSeq: this.receipts.readSeq,
      deliveredByOthersSeq: others.delivered,
      readByOthersSeq: others.read,
      unread: this.unreadCount(),
      typing: this.typing.list(),
    });
  }
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
    reply_to: null,
    edited_at: null,
    change: 0,
    sender_name: null,
    sender_kind: deps.kind,
    client_message_id: ack.client_message_id,
    consultation: null,
    sent_at: ack.sent_at,
    body:
      body.kind === 'file' && body.uploaded
        ? { kind: 'file', file: body.uploaded, caption: body.caption }
        : { kind: body.kind === 'note' ? 'note' : 'text', text: body.kind === 'file' ? body.caption : body.text },
  };
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

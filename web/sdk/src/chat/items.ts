/** Turns the log and the outbox into the rows that an interface shows, reusing unchanged ones. */
import type { Message, MessageBody, PersonId } from '../generated/realtime';
import type { ChatItem, MessageState, PendingChange, PendingFile } from '../types';
import type { MessageLog } from './log';
import type { OutboxEntry } from './outbox';
import type { OutboxBody } from './storage';

export interface Marks {
  delivered: number;
  read: number;
}

export class ItemBuilder {
  private cache = new Map<number, ChatItem>();
  /** What an item was made of. */
  private readonly sources = new WeakMap<ChatItem, Message>();

  constructor(private readonly me: PersonId) {}

  build(log: MessageLog, outbox: readonly OutboxEntry[], others: Marks): ChatItem[] {
    const items: ChatItem[] = [];
    const next = new Map<number, ChatItem>();
    const shown = new Set<string>();
    const changes = pendingChanges(outbox);
    for (const message of log.messages()) {
      if (message.client_message_id) shown.add(message.client_message_id);
      if (message.body.kind === 'hidden') continue;
      const item = this.item(message, others, changes.get(message.seq));
      next.set(message.seq, item);
      items.push(item);
    }
    this.cache = next;
    for (const entry of outbox) {
      if (isChange(entry.record.body) || shown.has(entry.record.id)) continue;
      items.push(this.pending(entry));
    }
    return items;
  }

  private item(message: Message, others: Marks, entry: OutboxEntry | undefined): ChatItem {
    const own = message.sender === this.me;
    const state = own ? ownState(message.seq, others) : 'received';
    const cached = this.cache.get(message.seq);
    const change = pendingChange(entry, cached?.change ?? null);
    if (cached?.state === state && cached.change === change && this.sources.get(cached) === message) return cached;
    const item = this.fresh(message, own, state, change, entry?.record.body);
    this.sources.set(item, message);
    return item;
  }

  private fresh(
    message: Message,
    own: boolean,
    state: MessageState,
    change: PendingChange | null,
    changed: OutboxBody | undefined,
  ): ChatItem {
    return {
      key: (own && message.client_message_id) || `seq:${message.seq}`,
      seq: message.seq,
      clientMessageId: message.client_message_id,
      own,
      sender: message.sender,
      senderName: message.sender_name,
      senderKind: message.sender_kind,
      sentAt: message.sent_at,
      consultation: message.consultation,
      // A change that was refused shows what the message still says.
      body: changed && change?.state !== 'failed' ? changedBody(message.body, changed) : message.body,
      // Absent of messages that an earlier version of the app kept on the device.
      replyTo: message.reply_to ?? null,
      editedAt: message.edited_at ?? null,
      change,
      state,
      error: null,
    };
  }

  private pending(entry: OutboxEntry): ChatItem {
    const { record } = entry;
    return {
      key: record.id,
      seq: null,
      clientMessageId: record.id,
      own: true,
      sender: this.me,
      senderName: null,
      senderKind: null,
      sentAt: record.createdAt,
      consultation: null,
      body: pendingBody(entry),
      replyTo: record.replyTo ?? null,
      editedAt: null,
      change: null,
      state: entry.phase === 'acknowledged' ? 'sent' : entry.phase,
      error: record.failed,
    };
  }
}

function isChange(body: OutboxBody): body is OutboxBody & { kind: 'edit' | 'delete' } {
  return body.kind === 'edit' || body.kind === 'delete';
}

/** The last change of each message that is on its way; of those refused, the last. */
function pendingChanges(outbox: readonly OutboxEntry[]): Map<number, OutboxEntry> {
  const changes = new Map<number, OutboxEntry>();
  for (const entry of outbox) {
    const { body } = entry.record;
    if (isChange(body)) changes.set(body.seq, entry);
  }
  return changes;
}

/** The same object while nothing about it changes. */
function pendingChange(entry: OutboxEntry | undefined, known: PendingChange | null): PendingChange | null {
  if (!entry || !isChange(entry.record.body)) return null;
  const state = entry.phase === 'acknowledged' ? 'sending' : entry.phase;
  const { id, failed: error, body } = entry.record;
  if (known?.id === id && known.state === state && known.error === error) return known;
  return { id, kind: body.kind, state, error };
}

/** What the message will say. */
function changedBody(body: MessageBody, change: OutboxBody): MessageBody {
  if (change.kind === 'delete') return { kind: body.kind === 'note' ? 'deleted_note' : 'deleted' };
  if (change.kind !== 'edit') return body;
  if (body.kind === 'file') return { ...body, caption: change.text };
  return body.kind === 'text' || body.kind === 'note' ? { ...body, text: change.text } : body;
}

function pendingBody(entry: OutboxEntry): ChatItem['body'] {
  const { body } = entry.record;
  if (body.kind === 'file') return pendingFile(entry, body);
  if (body.kind === 'edit' || body.kind === 'delete') throw new Error('a change is not a message');
  return body;
}

function ownState(seq: number, others: Marks): MessageState {
  if (seq <= others.read) return 'read';
  return seq <= others.delivered ? 'delivered' : 'sent';
}

function pendingFile(entry: OutboxEntry, body: OutboxEntry['record']['body'] & { kind: 'file' }): PendingFile {
  return {
    kind: 'pending_file',
    name: body.name,
    mediaType: body.mediaType,
    sizeBytes: body.sizeBytes,
    previewUrl: entry.previewUrl,
    caption: body.caption,
    progress: entry.progress,
  };
}

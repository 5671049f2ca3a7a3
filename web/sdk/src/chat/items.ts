/** Turns the log and the outbox into the rows that an interface shows, reusing unchanged ones. */
import type { Message, PersonId } from '../generated/realtime';
import type { ChatItem, MessageState, PendingFile } from '../types';
import type { MessageLog } from './log';
import type { OutboxEntry } from './outbox';

export interface Marks {
  delivered: number;
  read: number;
}

export class ItemBuilder {
  private cache = new Map<number, ChatItem>();

  constructor(private readonly me: PersonId) {}

  build(log: MessageLog, outbox: readonly OutboxEntry[], others: Marks): ChatItem[] {
    const items: ChatItem[] = [];
    const next = new Map<number, ChatItem>();
    const shown = new Set<string>();
    for (const message of log.messages()) {
      if (message.client_message_id) shown.add(message.client_message_id);
      if (message.body.kind === 'hidden') continue;
      const item = this.item(message, others);
      next.set(message.seq, item);
      items.push(item);
    }
    this.cache = next;
    for (const entry of outbox) if (!shown.has(entry.record.id)) items.push(this.pending(entry));
    return items;
  }

  private item(message: Message, others: Marks): ChatItem {
    const own = message.sender === this.me;
    const state = own ? ownState(message.seq, others) : 'received';
    const cached = this.cache.get(message.seq);
    if (cached && cached.state === state && cached.body === message.body) return cached;
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
      body: message.body,
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
      body: record.body.kind === 'file' ? pendingFile(entry, record.body) : record.body,
      state: entry.phase === 'acknowledged' ? 'sent' : entry.phase,
      error: record.failed,
    };
  }
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

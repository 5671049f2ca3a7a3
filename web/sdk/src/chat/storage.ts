/**
 * What stays on the device between visits: the outbox, and for patients the
 * messages and files they have seen. One database per person. Where the browser
 * refuses storage, everything works without being kept.
 */
import { deleteDB, openDB, type DBSchema, type IDBPDatabase } from 'idb';

import type {
  ClientMessageId,
  ConversationId,
  FileId,
  FileView,
  Message,
  PersonId,
  PersonKind,
  Quote,
  ReceiptView,
} from '../generated/realtime';

export type OutboxBody =
  | { kind: 'text'; text: string }
  | { kind: 'note'; text: string }
  | { kind: 'edit'; seq: number; text: string }
  | { kind: 'delete'; seq: number }
  | {
      kind: 'file';
      name: string;
      mediaType: string;
      sizeBytes: number;
      caption: string;
      /** The address of an upload that began and did not end. */
      upload: string | null;
      uploaded: FileView | null;
    };

export interface OutboxRecord {
  id: ClientMessageId;
  conversation: ConversationId;
  /** Grows within a conversation, so that the outbox goes out in order of writing. */
  order: number;
  createdAt: number;
  body: OutboxBody;
  /** The message that is answered. */
  replyTo?: Quote | null;
  /** It was sent at least once, so it may be stored by the server as it is. */
  tried?: boolean;
  /** Set when the server refused it for good. */
  failed: string | null;
}

interface Schema extends DBSchema {
  outbox: { key: ClientMessageId; value: OutboxRecord; indexes: { conversation: ConversationId } };
  /** Bytes of files in the outbox. */
  blobs: { key: ClientMessageId; value: Blob };
  messages: { key: [ConversationId, number]; value: Message };
  /** Everybody's delivered and read marks. */
  marks: { key: ConversationId; value: ReceiptView[] };
  /** All messages kept here are as after this change of their conversation. */
  changes: { key: ConversationId; value: number };
  files: { key: FileId; value: { id: FileId; blob: Blob; usedAt: number }; indexes: { usedAt: number } };
}

/** Older messages are read from the server again. */
const MAX_MESSAGES = 3_000;
const MAX_FILES_BYTES = 60 * 1024 * 1024;

export class LocalStorage {
  private opening: Promise<IDBPDatabase<Schema> | null> | null = null;

  constructor(
    readonly name: string,
    private readonly keepsMessages: boolean,
  ) {}

  static for(kind: PersonKind, person: PersonId, keepsMessages: boolean): LocalStorage {
    return new LocalStorage(`housecall-${kind}-${person}`, keepsMessages);
  }

  async putOutbox(record: OutboxRecord, blob?: Blob): Promise<void> {
    await this.attempt(async (db) => {
      if (blob) await db.put('blobs', blob, record.id);
      await db.put('outbox', record);
    });
  }

  async removeOutbox(id: ClientMessageId): Promise<void> {
    await this.attempt(async (db) => {
      await db.delete('outbox', id);
      await db.delete('blobs', id);
    });
  }

  /** In order of writing. */
  async outbox(conversation: ConversationId): Promise<OutboxRecord[]> {
    const records = (await this.attempt((db) => db.getAllFromIndex('outbox', 'conversation', conversation))) ?? [];
    return records.sort((a, b) => a.order - b.order);
  }

  async outboxConversations(): Promise<ConversationId[]> {
    const records = (await this.attempt((db) => db.getAll('outbox'))) ?? [];
    return [...new Set(records.map((record) => record.conversation))];
  }

  async outboxBlob(id: ClientMessageId): Promise<Blob | null> {
    return (await this.attempt((db) => db.get('blobs', id))) ?? null;
  }

  async putMessages(conversation: ConversationId, messages: readonly Message[]): Promise<void> {
    if (!this.keepsMessages || messages.length === 0) return;
    await this.attempt(async (db) => {
      const tx = db.transaction('messages', 'readwrite');
      for (const message of messages) void tx.store.put(message, [conversation, message.seq]);
      await tx.done;
      await this.trimMessages(db, conversation);
    });
  }

  /**
   * Replaces those of the messages that are kept here, forgets the files of deleted
   * ones, and remembers how far the conversation's changes are known, if that is given.
   * All or nothing.
   */
  async putChanges(conversation: ConversationId, messages: readonly Message[], upTo: number | null): Promise<void> {
    if (!this.keepsMessages) return;
    await this.attempt(async (db) => {
      const tx = db.transaction(['messages', 'changes', 'files'], 'readwrite');
      const kept = tx.objectStore('messages');
      for (const message of messages) {
        const key: [ConversationId, number] = [conversation, message.seq];
        const known = await kept.get(key);
        if (known?.body.kind === 'file' && message.body.kind === 'deleted') {
          void tx.objectStore('files').delete(known.body.file.id);
        }
        if (known && (known.change ?? 0) < message.change) void kept.put(message, key);
        else if (known && message.reply_to) void kept.put({ ...known, reply_to: message.reply_to }, key);
      }
      if (upTo !== null) void tx.objectStore('changes').put(upTo, conversation);
      await tx.done;
    });
  }

  /** Null when no messages are kept. */
  async changedUpTo(conversation: ConversationId): Promise<number | null> {
    if (!this.keepsMessages) return null;
    return (await this.attempt((db) => db.get('changes', conversation))) ?? null;
  }

  /** So much has changed that reading again is quicker than catching up. */
  async forgetMessages(conversation: ConversationId): Promise<void> {
    await this.attempt(async (db) => {
      const tx = db.transaction(['messages', 'changes'], 'readwrite');
      const range = IDBKeyRange.bound([conversation, 0], [conversation, Number.MAX_SAFE_INTEGER]);
      void tx.objectStore('messages').delete(range);
      void tx.objectStore('changes').delete(conversation);
      await tx.done;
    });
  }

  /** The newest messages on the device that have no gap among them, ascending. */
  async newestMessages(conversation: ConversationId, limit: number): Promise<Message[]> {
    if (!this.keepsMessages) return [];
    return this.messagesUpTo(conversation, Number.MAX_SAFE_INTEGER, limit);
  }

  /** Those that end just before `seq`, without a gap, ascending. */
  async messagesBefore(conversation: ConversationId, seq: number, limit: number): Promise<Message[]> {
    if (!this.keepsMessages) return [];
    const page = await this.messagesUpTo(conversation, seq - 1, limit);
    return page.at(-1)?.seq === seq - 1 ? page : [];
  }

  async putMarks(conversation: ConversationId, marks: ReceiptView[]): Promise<void> {
    if (this.keepsMessages) await this.attempt((db) => db.put('marks', marks, conversation));
  }

  async marks(conversation: ConversationId): Promise<ReceiptView[]> {
    if (!this.keepsMessages) return [];
    return (await this.attempt((db) => db.get('marks', conversation))) ?? [];
  }

  async putFile(id: FileId, blob: Blob): Promise<void> {
    if (!this.keepsMessages || blob.size > MAX_FILES_BYTES / 4) return;
    await this.attempt(async (db) => {
      await db.put('files', { id, blob, usedAt: Date.now() });
      await this.trimFiles(db);
    });
  }

  async file(id: FileId): Promise<Blob | null> {
    if (!this.keepsMessages) return null;
    return (await this.attempt((db) => db.get('files', id)))?.blob ?? null;
  }

  async hasFile(id: FileId): Promise<boolean> {
    if (!this.keepsMessages) return false;
    return ((await this.attempt((db) => db.count('files', id))) ?? 0) > 0;
  }

  /** The session was ended from elsewhere: what was read goes, what was written and not sent stays. */
  async forgetRead(): Promise<void> {
    await this.attempt(async (db) => {
      await db.clear('messages');
      await db.clear('marks');
      await db.clear('changes');
      await db.clear('files');
    });
  }

  async destroy(): Promise<void> {
    const db = await this.opening;
    this.opening = Promise.resolve(null);
    db?.close();
    await deleteDB(this.name).catch(() => undefined);
  }

  private async messagesUpTo(conversation: ConversationId, last: number, limit: number): Promise<Message[]> {
    const found = await this.attempt(async (db) => {
      const range = IDBKeyRange.bound([conversation, 0], [conversation, last]);
      const page: Message[] = [];
      let cursor = await db.transaction('messages').store.openCursor(range, 'prev');
      while (cursor && page.length < limit) {
        const newer = page.at(-1);
        if (newer && newer.seq !== cursor.value.seq + 1) break;
        page.push(cursor.value);
        cursor = await cursor.continue();
      }
      return page.reverse();
    });
    return found ?? [];
  }

  private async trimMessages(db: IDBPDatabase<Schema>, conversation: ConversationId): Promise<void> {
    const range = IDBKeyRange.bound([conversation, 0], [conversation, Number.MAX_SAFE_INTEGER]);
    const surplus = (await db.count('messages', range)) - MAX_MESSAGES;
    if (surplus <= 0) return;
    const tx = db.transaction('messages', 'readwrite');
    const keys = await tx.store.getAllKeys(range, surplus);
    for (const key of keys) void tx.store.delete(key);
    await tx.done;
  }

  private async trimFiles(db: IDBPDatabase<Schema>): Promise<void> {
    const all = await db.getAllFromIndex('files', 'usedAt');
    let bytes = all.reduce((sum, file) => sum + file.blob.size, 0);
    for (const file of all) {
      if (bytes <= MAX_FILES_BYTES) return;
      await db.delete('files', file.id);
      bytes -= file.blob.size;
    }
  }

  private open(): Promise<IDBPDatabase<Schema> | null> {
    this.opening ??= openDB<Schema>(this.name, 2, {
      upgrade(db, from) {
        if (from < 1) {
          db.createObjectStore('outbox', { keyPath: 'id' }).createIndex('conversation', 'conversation');
          db.createObjectStore('blobs');
          db.createObjectStore('messages');
          db.createObjectStore('marks');
          db.createObjectStore('files', { keyPath: 'id' }).createIndex('usedAt', 'usedAt');
        }
        // Messages kept before there were changes are as after none.
        if (from < 2) db.createObjectStore('changes');
      },
      // Another tab signs out and deletes the database: do not stand in its way.
      blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
    }).catch(() => null);
    return this.opening;
  }

  /** Storage may be refused, full or closed under us; the conversation goes on without it. */
  private async attempt<T>(work: (db: IDBPDatabase<Schema>) => Promise<T>): Promise<T | null> {
    const db = await this.open();
    if (!db) return null;
    try {
      return await work(db);
    } catch {
      return null;
    }
  }
}

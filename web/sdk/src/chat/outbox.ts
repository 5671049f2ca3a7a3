/**
 * Messages and changes of messages on their way out of one conversation: kept on the
 * device, sent in the order of writing, one at a time, until the server acknowledged
 * or refused them. A resend carries the same client id, so it has its effect once.
 */
import type { Api } from '../api';
import type {
  ChatAck,
  ChatChangeAck,
  ClientMessageId,
  ConversationId,
  FileView,
  Message,
  MessageBody,
  Quote,
  SendBody,
} from '../generated/realtime';
import { uuidv7 } from '../ids';
import { Backoff } from '../net/backoff';
import { ApiError, RealtimeError } from '../net/errors';
import type { Realtime } from '../realtime';
import type { LocalStorage, OutboxRecord } from './storage';

const SEND_TIMEOUT_MS = 15_000;

type ChangeOut = Extract<OutboxRecord['body'], { kind: 'edit' | 'delete' }>;
type MessageOut = Exclude<OutboxRecord['body'], ChangeOut>;

export interface OutboxEntry {
  record: OutboxRecord;
  /** `acknowledged`: stored by the server, shown here until the log reaches it. */
  phase: 'waiting' | 'sending' | 'failed' | 'acknowledged';
  /** 0 to 1 while a file uploads. */
  progress: number | null;
  previewUrl: string | null;
  /** Number of an acknowledged change. */
  change?: number;
}

export interface OutboxEvents {
  changed(): void;
  acknowledged(entry: OutboxEntry, ack: ChatAck): void;
  /** Shown as it will be until the log is as after that change; then `confirm` it. */
  changeAcknowledged(entry: OutboxEntry, ack: ChatChangeAck): void;
  /** The bytes of an uploaded file, with the preview's URL if there is one. */
  uploaded(file: FileView, bytes: Blob): void;
}

export class Outbox {
  private entries: OutboxEntry[] = [];
  private readonly unsaved = new Map<ClientMessageId, Blob>();
  private loading: Promise<void> | null = null;
  private draining = false;
  /** What is being sent, and how to stop waiting for its answer. */
  private underWay: { entry: OutboxEntry; stop: () => void } | null = null;
  private lastOrder = 0;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private upload: AbortController | null = null;
  private readonly backoff = new Backoff({ baseMs: 1_000, capMs: 30_000 });

  constructor(
    private readonly conversation: ConversationId,
    private readonly realtime: Realtime,
    private readonly api: Api,
    private readonly storage: LocalStorage,
    private readonly events: OutboxEvents,
  ) {}

  list(): readonly OutboxEntry[] {
    return this.entries;
  }

  /** What earlier visits left behind. */
  load(): Promise<void> {
    this.loading ??= this.loadOnce();
    return this.loading;
  }

  addText(kind: 'text' | 'note', text: string, replyTo: Quote | null): void {
    this.add({ kind, text }, replyTo);
  }

  addFile(file: Blob, name: string, caption: string, replyTo: Quote | null): void {
    const body = { kind: 'file', name, mediaType: file.type, sizeBytes: file.size, caption, upload: null, uploaded: null } as const;
    this.add(body, replyTo, file);
  }

  /** What a message in the conversation is to say. Replaces an edit that has not gone yet. */
  addEdit(seq: number, text: string): void {
    this.dropChanges(seq);
    this.add({ kind: 'edit', seq, text }, null);
  }

  addDelete(seq: number): void {
    this.dropChanges(seq);
    this.add({ kind: 'delete', seq }, null);
  }

  /** New words for a message that has never gone out. */
  rewrite(id: ClientMessageId, text: string): void {
    const entry = this.find(id);
    if (!entry || !this.isUntouched(id)) return;
    const { body } = entry.record;
    if (body.kind === 'file') entry.record = { ...entry.record, body: { ...body, caption: text } };
    else if (body.kind !== 'delete') entry.record = { ...entry.record, body: { ...body, text } };
    void this.storage.putOutbox(entry.record);
    this.events.changed();
  }

  /** Whether the server cannot know of it. */
  isUntouched(id: ClientMessageId): boolean {
    const entry = this.find(id);
    return entry !== undefined && entry.phase === 'waiting' && !entry.record.tried;
  }

  retry(id: ClientMessageId): void {
    const entry = this.find(id);
    if (entry?.phase !== 'failed') return;
    entry.phase = 'waiting';
    entry.record = { ...entry.record, failed: null };
    void this.storage.putOutbox(entry.record);
    this.events.changed();
    void this.drain();
  }

  discard(id: ClientMessageId): void {
    const entry = this.find(id);
    // A message on the wire may already be stored; it can not be taken back here.
    if (!entry || entry.phase === 'acknowledged') return;
    if (entry.phase === 'sending' && entry.record.body.kind !== 'file') return;
    if (entry.phase === 'sending') this.upload?.abort();
    this.remove(entry);
    this.events.changed();
  }

  /** The server shows this message already, whoever sent it: this tab, another one, or a lost ack. */
  confirm(id: ClientMessageId): void {
    const entry = this.find(id);
    if (entry) this.remove(entry);
  }

  /** The message is as after this change: acknowledged changes of it need not be shown any more. */
  confirmChanges(seq: number, change: number): void {
    for (const entry of this.entries) {
      const { body } = entry.record;
      if ((body.kind === 'edit' || body.kind === 'delete') && body.seq === seq && (entry.change ?? Infinity) <= change) {
        this.remove(entry);
      }
    }
  }

  /** The message says this now: an answer that has not come to an edit or a deletion with that effect is not waited for. */
  confirmEffect({ seq, body }: Message): void {
    const entry = this.underWay?.entry;
    if (!entry) return;
    const change = entry.record.body;
    const isDone =
      (change.kind === 'delete' && change.seq === seq && (body.kind === 'deleted' || body.kind === 'deleted_note')) ||
      (change.kind === 'edit' && change.seq === seq && change.text === written(body));
    if (isDone) this.remove(entry);
  }

  /** Sends what waits, in order, while there is a connection. */
  async drain(): Promise<void> {
    await this.load();
    if (this.draining) return;
    this.draining = true;
    clearTimeout(this.retryTimer);
    try {
      while (this.realtime.online) {
        const entry = this.entries.find((candidate) => candidate.phase === 'waiting');
        if (!entry || !(await this.trySend(entry))) break;
      }
    } finally {
      this.draining = false;
    }
  }

  dispose(): void {
    clearTimeout(this.retryTimer);
    this.upload?.abort();
    for (const entry of this.entries) if (entry.previewUrl) URL.revokeObjectURL(entry.previewUrl);
    this.entries = [];
  }

  private async loadOnce(): Promise<void> {
    const written = this.entries;
    const records = await this.storage.outbox(this.conversation);
    const known = new Set(written.map((entry) => entry.record.id));
    const earlier: OutboxEntry[] = [];
    for (const record of records) {
      if (known.has(record.id) || this.find(record.id)) continue;
      const blob = record.body.kind === 'file' ? await this.storage.outboxBlob(record.id) : null;
      earlier.push({ record, phase: record.failed ? 'failed' : 'waiting', progress: null, previewUrl: preview(blob) });
    }
    if (earlier.length === 0) return;
    this.moveBehind(Math.max(...earlier.map(({ record }) => record.order)));
    this.entries = [...earlier, ...this.entries].sort((a, b) => a.record.order - b.record.order);
    this.events.changed();
  }

  /** What was written in this visit comes after earlier ones, though the clock was set back between them. */
  private moveBehind(last: number): void {
    this.lastOrder = Math.max(this.lastOrder, last);
    if (this.entries.every(({ record }) => record.order > last)) return;
    for (const entry of this.entries) {
      this.lastOrder += 1;
      entry.record = { ...entry.record, order: this.lastOrder };
      void this.storage.putOutbox(entry.record);
    }
  }

  /** Forgets changes of a message that have not gone: a later one, or a deletion, makes them idle. */
  dropChanges(seq: number): void {
    for (const entry of this.entries) {
      const { body } = entry.record;
      const waits = entry.phase === 'waiting' || entry.phase === 'failed';
      if (waits && (body.kind === 'edit' || body.kind === 'delete') && body.seq === seq) this.remove(entry);
    }
  }

  private add(body: OutboxRecord['body'], replyTo: Quote | null, blob?: Blob): void {
    const now = Date.now();
    // Never equal, even for two messages of one millisecond or a clock set back.
    this.lastOrder = Math.max(now, this.lastOrder + 1);
    const record = {
      id: uuidv7(now),
      conversation: this.conversation,
      order: this.lastOrder,
      createdAt: now,
      body,
      replyTo,
      failed: null,
    };
    const entry: OutboxEntry = { record, phase: 'waiting', progress: null, previewUrl: preview(blob) };
    this.entries = [...this.entries, entry];
    if (blob) this.unsaved.set(record.id, blob);
    this.events.changed();
    void this.save(record, blob).then(() => this.drain());
  }

  private async save(record: OutboxRecord, blob: Blob | undefined): Promise<void> {
    await this.storage.putOutbox(record, blob);
    // Kept in memory too until sent when the browser refused to store it.
    if (blob && (await this.storage.outboxBlob(record.id))) this.unsaved.delete(record.id);
  }

  /** False when sending has to pause. */
  private async trySend(entry: OutboxEntry): Promise<boolean> {
    entry.phase = 'sending';
    this.events.changed();
    await this.markTried(entry);
    try {
      await this.untilAnsweredOrSeen(entry);
      this.backoff.reset();
      return true;
    } catch (error) {
      return this.handleFailure(entry, error);
    }
  }

  /** An answer may be lost while the connection lives: the effect, seen in the conversation, is as good. */
  private async untilAnsweredOrSeen(entry: OutboxEntry): Promise<void> {
    // Confirmed while it was written down.
    if (!this.entries.includes(entry)) return;
    const { body } = entry.record;
    const seen = new Promise<void>((stop) => {
      this.underWay = { entry, stop };
    });
    try {
      const isChange = body.kind === 'edit' || body.kind === 'delete';
      await Promise.race([seen, isChange ? this.sendChange(entry, body) : this.sendMessage(entry, body)]);
    } finally {
      this.underWay = null;
    }
  }

  /** Before the first attempt, so that a crash in the middle of it is remembered. */
  private async markTried(entry: OutboxEntry): Promise<void> {
    if (entry.record.tried) return;
    entry.record = { ...entry.record, tried: true };
    await this.storage.putOutbox(entry.record);
  }

  private async sendMessage(entry: OutboxEntry, written: MessageOut): Promise<void> {
    const body = await this.sendBody(entry, written);
    const ack = await this.realtime.request(
      'chat.send',
      {
        conversation: this.conversation,
        client_message_id: entry.record.id,
        reply_to: entry.record.replyTo?.seq ?? null,
        body,
      },
      { timeoutMs: SEND_TIMEOUT_MS },
    );
    entry.phase = 'acknowledged';
    void this.storage.removeOutbox(entry.record.id);
    this.events.acknowledged(entry, ack);
  }

  private async sendChange(entry: OutboxEntry, body: ChangeOut): Promise<void> {
    const change = { conversation: this.conversation, seq: body.seq, client_change_id: entry.record.id };
    const options = { timeoutMs: SEND_TIMEOUT_MS };
    const ack =
      body.kind === 'edit'
        ? await this.realtime.request('chat.edit', { ...change, text: body.text }, options)
        : await this.realtime.request('chat.delete', change, options);
    entry.phase = 'acknowledged';
    entry.change = ack.change;
    void this.storage.removeOutbox(entry.record.id);
    this.events.changeAcknowledged(entry, ack);
  }

  private handleFailure(entry: OutboxEntry, error: unknown): boolean {
    // Discarded or confirmed meanwhile.
    if (!this.entries.includes(entry)) return true;
    entry.progress = null;
    if (!isTemporary(error)) {
      entry.phase = 'failed';
      entry.record = { ...entry.record, failed: failureCode(error) };
      void this.storage.putOutbox(entry.record);
      this.events.changed();
      return true;
    }
    entry.phase = 'waiting';
    this.events.changed();
    const asked = error instanceof RealtimeError ? error.retryAfterMs : null;
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => void this.drain(), asked ?? this.backoff.next());
    return false;
  }

  private async sendBody(entry: OutboxEntry, body: MessageOut): Promise<SendBody> {
    if (body.kind !== 'file') return { kind: body.kind, text: body.text };
    const file = body.uploaded ?? (await this.uploadFile(entry, body));
    return { kind: 'file', file: file.id, caption: body.caption };
  }

  private async uploadFile(entry: OutboxEntry, body: OutboxRecord['body'] & { kind: 'file' }): Promise<FileView> {
    const bytes = this.unsaved.get(entry.record.id) ?? (await this.storage.outboxBlob(entry.record.id));
    if (!bytes) throw new RealtimeError('not_found', 'the file is no longer on this device');
    this.upload = new AbortController();
    const file = await this.api.uploadFile(this.conversation, bytes, body.name, {
      signal: this.upload.signal,
      address: body.upload ?? undefined,
      // Kept, so that a restarted app goes on where this one ended.
      onAddress: (address) => {
        entry.record = { ...entry.record, body: { ...body, upload: address } };
        void this.storage.putOutbox(entry.record);
      },
      onProgress: (share) => {
        entry.progress = share;
        this.events.changed();
      },
    });
    // Remembered, so that a lost ack does not upload it a second time.
    entry.record = { ...entry.record, body: { ...body, uploaded: file } };
    entry.progress = 1;
    await this.storage.putOutbox(entry.record);
    this.events.uploaded(file, bytes);
    return file;
  }

  private remove(entry: OutboxEntry): void {
    this.entries = this.entries.filter((other) => other !== entry);
    if (this.underWay?.entry === entry) this.underWay.stop();
    this.unsaved.delete(entry.record.id);
    if (entry.previewUrl) URL.revokeObjectURL(entry.previewUrl);
    void this.storage.removeOutbox(entry.record.id);
  }

  private find(id: ClientMessageId): OutboxEntry | undefined {
    return this.entries.find((entry) => entry.record.id === id);
  }
}

function written(body: MessageBody): string | null {
  if (body.kind === 'text' || body.kind === 'note') return body.text;
  return body.kind === 'file' ? body.caption : null;
}

function preview(blob: Blob | null | undefined): string | null {
  return blob?.type.startsWith('image/') ? URL.createObjectURL(blob) : null;
}

function isTemporary(error: unknown): boolean {
  if (error instanceof RealtimeError || error instanceof ApiError) return error.temporary;
  return error instanceof DOMException && error.name === 'AbortError';
}

function failureCode(error: unknown): string {
  if (error instanceof RealtimeError) return error.code;
  if (error instanceof ApiError) return error.kind;
  return 'internal';
}

/** Delivered and read marks of everybody in a conversation. A mark never moves back. */
import type { ConversationId, PersonId, PersonKind, ReceiptView } from '../generated/realtime';
import type { Realtime } from '../realtime';
import type { Marks } from './items';

/** Marks of one burst of messages travel together. */
const COALESCE_MS = 150;

export class Receipts {
  private readonly byPerson = new Map<PersonId, ReceiptView>();
  private own: Marks = { delivered: 0, read: 0 };
  private reported: Marks = { delivered: 0, read: 0 };
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly conversation: ConversationId,
    private readonly me: PersonId,
    private readonly kind: PersonKind,
    private readonly realtime: Realtime,
  ) {}

  get readSeq(): number {
    return this.own.read;
  }

  /** All marks, for keeping on the device. */
  all(): ReceiptView[] {
    const own = {
      conversation: this.conversation,
      person: this.me,
      kind: this.kind,
      delivered_seq: this.own.delivered,
      read_seq: this.own.read,
    };
    return [own, ...this.byPerson.values()];
  }

  /** The furthest marks of the other kind of people. */
  others(): Marks {
    const marks = { delivered: 0, read: 0 };
    for (const view of this.byPerson.values()) {
      if (view.kind === this.kind) continue;
      marks.delivered = Math.max(marks.delivered, view.delivered_seq, view.read_seq);
      marks.read = Math.max(marks.read, view.read_seq);
    }
    return marks;
  }

  handle(view: ReceiptView): void {
    if (view.person === this.me) {
      this.own = furthest(this.own, { delivered: view.delivered_seq, read: view.read_seq });
      this.reported = furthest(this.reported, { delivered: view.delivered_seq, read: view.read_seq });
      return;
    }
    const known = this.byPerson.get(view.person);
    this.byPerson.set(view.person, {
      ...view,
      delivered_seq: Math.max(view.delivered_seq, known?.delivered_seq ?? 0),
      read_seq: Math.max(view.read_seq, known?.read_seq ?? 0),
    });
  }

  /** True when this moved a mark. */
  mark(marks: Partial<Marks>): boolean {
    const delivered = Math.max(marks.delivered ?? 0, marks.read ?? 0);
    const next = furthest(this.own, { delivered, read: marks.read ?? 0 });
    if (next.delivered === this.own.delivered && next.read === this.own.read) return false;
    this.own = next;
    this.timer ??= setTimeout(() => this.report(), COALESCE_MS);
    return true;
  }

  /** After a reconnect: marks made meanwhile. */
  report(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.own.delivered <= this.reported.delivered && this.own.read <= this.reported.read) return;
    const data = { conversation: this.conversation, delivered_seq: this.own.delivered, read_seq: this.own.read };
    if (this.realtime.send('chat.receipt', data)) this.reported = this.own;
  }

  /** What was reported on a lost connection may not have arrived; the server says what it has. */
  forgetReported(): void {
    this.reported = { delivered: 0, read: 0 };
  }
}

function furthest(a: Marks, b: Marks): Marks {
  return { delivered: Math.max(a.delivered, b.delivered), read: Math.max(a.read, b.read) };
}

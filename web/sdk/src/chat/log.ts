/**
 * The messages of one conversation, ordered and without gaps, each as after its last
 * change. Pure: no network, no clock. What arrives beyond a gap is kept aside until
 * the gap is filled.
 *
 * Changes have an order of their own. `changedUpTo` says how far it is known: every
 * message held here is as after that change, or a later one.
 */
import type { Message, MessageBody, Quote, QuoteBody } from '../generated/realtime';

/** Kept beyond a gap; more than this and they are fetched again anyway. */
const MAX_EARLY = 200;
/** As the house cuts them. */
const QUOTE_CHARACTERS = 160;

export class MessageLog {
  private readonly bySeq = new Map<number, Message>();
  private readonly early = new Map<number, Message>();
  /** Later versions of messages that are still to come: their change overtook them. */
  private readonly ahead = new Map<number, Message>();
  private readonly earlyChanges = new Set<number>();
  /** After which change the quotes are of messages that are not held themselves. */
  private readonly quotedAs = new Map<number, number>();
  private lowSeq = 0;
  private highSeq = 0;
  private headSeq = 0;
  private changed = 0;
  private changeHead = 0;

  /** First seq held; 0 when nothing is held. */
  get low(): number {
    return this.lowSeq;
  }

  /** Last seq held without a gap. */
  get high(): number {
    return this.highSeq;
  }

  /** Newest seq known to exist. */
  get head(): number {
    return this.headSeq;
  }

  /** Something newer exists that is not held. */
  get behind(): boolean {
    return this.headSeq > this.highSeq;
  }

  get changedUpTo(): number {
    return this.changed;
  }

  /** There are changes that are not known. */
  get behindChanges(): boolean {
    return this.changeHead > this.changed;
  }

  get missedChanges(): number {
    return this.changeHead - this.changed;
  }

  noteHead(seq: number): void {
    if (seq > this.headSeq) this.headSeq = seq;
  }

  noteChangeHead(change: number): void {
    if (change > this.changeHead) this.changeHead = change;
  }

  get(seq: number): Message | undefined {
    return this.bySeq.get(seq);
  }

  /** In order. */
  *messages(): Generator<Message> {
    if (this.lowSeq === 0) return;
    for (let seq = this.lowSeq; seq <= this.highSeq; seq += 1) {
      const message = this.bySeq.get(seq);
      if (message) yield message;
    }
  }

  /** Forgets the present window and starts from this page, ascending and without gaps. */
  replace(page: readonly Message[]): Message[] {
    this.bySeq.clear();
    this.lowSeq = 0;
    this.highSeq = 0;
    const added: Message[] = [];
    for (const message of page) this.push(message, added);
    this.absorbEarly(added);
    return added;
  }

  /** Live messages or a page, ascending. Returns those that became part of the log. */
  append(messages: readonly Message[]): Message[] {
    const added: Message[] = [];
    for (const message of messages) {
      this.noteHead(message.seq);
      if (message.seq === this.highSeq + 1) this.push(message, added);
      else if (message.seq > this.highSeq && this.early.size < MAX_EARLY) this.early.set(message.seq, message);
    }
    this.absorbEarly(added);
    return added;
  }

  /** A page that ends just before `low`. */
  prepend(page: readonly Message[]): void {
    for (const message of [...page].reverse()) {
      if (message.seq !== this.lowSeq - 1) continue;
      this.bySeq.set(message.seq, message);
      this.lowSeq = message.seq;
    }
  }

  /** What is held, or about to be, is as after this change. */
  startChanges(change: number): void {
    this.changed = change;
    this.noteChangeHead(change);
    this.earlyChanges.clear();
  }

  /**
   * A page that joins the log is as after this change, or a later one. When more was
   * heard of while it was on its way, that has to be asked for again. True then.
   */
  joinedBy(pageChange: number): boolean {
    // Those beyond a gap were applied to what was held, and not to this page.
    for (const early of this.earlyChanges) if (early > pageChange) this.earlyChanges.delete(early);
    if (pageChange >= this.changed) return false;
    this.changed = pageChange;
    return true;
  }

  /**
   * A change as it was told. One beyond a gap is applied but not counted: the gap has
   * to be fetched. Returns the messages that are not what they were.
   */
  change(change: number, message: Message): Message[] {
    this.noteChangeHead(change);
    if (change > this.changed && this.earlyChanges.size < MAX_EARLY) this.earlyChanges.add(change);
    this.countChanges();
    return this.apply(message);
  }

  /**
   * All changes after `after` up to this one: a page of them. When an older page of
   * messages came while it was on its way, those between are still to be asked for.
   */
  changes(messages: readonly Message[], after: number, upTo: number): Message[] {
    this.noteChangeHead(upTo);
    if (after <= this.changed) this.changed = Math.max(this.changed, upTo);
    this.countChanges();
    return messages.flatMap((message) => this.apply(message));
  }

  private countChanges(): void {
    while (this.earlyChanges.delete(this.changed + 1)) this.changed += 1;
    for (const early of this.earlyChanges) if (early <= this.changed) this.earlyChanges.delete(early);
  }

  private apply(message: Message): Message[] {
    if (message.seq > this.highSeq) {
      this.keepAhead(message);
      return [];
    }
    const held = this.bySeq.get(message.seq);
    if (!held) return this.requoteUnheld(message);
    if ((held.change ?? 0) >= message.change) return [];
    this.bySeq.set(message.seq, withClientId(message, held));
    return [message, ...this.requote(message)];
  }

  /** Earlier than the window: only what quotes it is shown. */
  private requoteUnheld(message: Message): Message[] {
    if ((this.quotedAs.get(message.seq) ?? 0) >= message.change) return [];
    const replies = this.requote(message);
    if (replies.length > 0) this.quotedAs.set(message.seq, message.change);
    return replies;
  }

  private keepAhead(message: Message): void {
    const known = this.ahead.get(message.seq);
    if (known && known.change >= message.change) return;
    if (known || this.ahead.size < MAX_EARLY) this.ahead.set(message.seq, message);
    // Without room for it, what came early is dropped too, so that a page brings both.
    else this.early.delete(message.seq);
  }

  /** Replies say what the quoted message says now. */
  private requote(quoted: Message): Message[] {
    const replies: Message[] = [];
    const body = quoteBody(quoted.body);
    for (const reply of this.messages()) {
      if (reply.reply_to?.seq !== quoted.seq || !body) continue;
      const next = { ...reply, reply_to: { ...reply.reply_to, body } satisfies Quote };
      this.bySeq.set(reply.seq, next);
      replies.push(next);
    }
    return replies;
  }

  private push(arrived: Message, added: Message[]): void {
    const later = this.ahead.get(arrived.seq);
    this.ahead.delete(arrived.seq);
    const message = later && later.change > arrived.change ? withClientId(later, arrived) : arrived;
    this.noteHead(message.seq);
    this.bySeq.set(message.seq, message);
    if (this.lowSeq === 0) this.lowSeq = message.seq;
    this.highSeq = message.seq;
    added.push(message);
  }

  private absorbEarly(added: Message[]): void {
    let next = this.early.get(this.highSeq + 1);
    while (next) {
      this.push(next, added);
      next = this.early.get(this.highSeq + 1);
    }
    for (const seq of [...this.early.keys()]) if (seq <= this.highSeq) this.early.delete(seq);
    for (const seq of [...this.ahead.keys()]) if (seq <= this.highSeq) this.ahead.delete(seq);
  }
}

/** A change is told to everybody alike; who wrote the message knows its id already. */
function withClientId(next: Message, known: Message): Message {
  return { ...next, client_message_id: next.client_message_id ?? known.client_message_id };
}

/** What a reply shows of a message; null of one that cannot be quoted. */
export function quoteBody(body: MessageBody): QuoteBody | null {
  switch (body.kind) {
    case 'text':
    case 'note':
      return { kind: body.kind, text: excerpt(body.text) };
    case 'file':
      return { kind: 'file', name: body.file.name, media_type: body.file.media_type, caption: excerpt(body.caption) };
    case 'deleted':
    case 'deleted_note':
      return { kind: body.kind };
    case 'system':
    case 'hidden':
      return null;
  }
}

function excerpt(text: string): string {
  const characters = [...text];
  if (characters.length <= QUOTE_CHARACTERS) return text;
  return `${characters.slice(0, QUOTE_CHARACTERS).join('').trimEnd()}…`;
}

/**
 * The messages of one conversation, ordered and without gaps. Pure: no network,
 * no clock. What arrives beyond a gap is kept aside until the gap is filled.
 */
import type { Message } from '../generated/realtime';

/** Kept beyond a gap; more than this and they are fetched again anyway. */
const MAX_EARLY = 200;

export class MessageLog {
  private readonly bySeq = new Map<number, Message>();
  private readonly early = new Map<number, Message>();
  private lowSeq = 0;
  private highSeq = 0;
  private headSeq = 0;

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

  noteHead(seq: number): void {
    if (seq > this.headSeq) this.headSeq = seq;
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

  private push(message: Message, added: Message[]): void {
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
  }
}

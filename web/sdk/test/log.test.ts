import { describe, expect, it } from 'vitest';

import { MessageLog } from '../src/chat/log';
import type { Message } from '../src/generated/realtime';

const message = (seq: number): Message => ({
  seq,
  sender: 'p',
  sender_name: null,
  sender_kind: 'patient',
  client_message_id: null,
  consultation: null,
  sent_at: seq,
  reply_to: null,
  edited_at: null,
  change: 0,
  body: { kind: 'text', text: String(seq) },
});
const messages = (...seqs: number[]) => seqs.map(message);
const held = (log: MessageLog) => [...log.messages()].map(({ seq }) => seq);

describe('MessageLog', () => {
  it('keeps order and ignores what it holds', () => {
    const log = new MessageLog();
    log.append(messages(1, 2));
    expect(log.append(messages(2, 3)).map(({ seq }) => seq)).toEqual([3]);
    expect(held(log)).toEqual([1, 2, 3]);
    expect(log.behind).toBe(false);
  });

  it('shows nothing beyond a gap until it is filled', () => {
    const log = new MessageLog();
    log.append(messages(1));
    expect(log.append(messages(3, 4))).toEqual([]);
    expect(log.behind).toBe(true);
    expect(log.append(messages(2)).map(({ seq }) => seq)).toEqual([2, 3, 4]);
    expect(held(log)).toEqual([1, 2, 3, 4]);
  });

  it('does not start in the middle from a live message alone', () => {
    const log = new MessageLog();
    expect(log.append(messages(7))).toEqual([]);
    expect(log.low).toBe(0);
    log.replace(messages(5, 6));
    expect(held(log)).toEqual([5, 6, 7]);
  });

  it('prepends only what ends right before it', () => {
    const log = new MessageLog();
    log.replace(messages(10, 11));
    log.prepend(messages(7, 8));
    expect(log.low).toBe(10);
    log.prepend(messages(8, 9));
    expect(held(log)).toEqual([8, 9, 10, 11]);
  });

  it('ends in order whatever the order of arrival', () => {
    let seed = 7;
    const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (let round = 0; round < 200; round += 1) {
      const log = new MessageLog();
      const seqs = Array.from({ length: 40 }, (_, index) => index + 1).sort(() => random() - 0.5);
      for (const seq of seqs) {
        log.append(messages(seq));
        const shown = held(log);
        expect(shown).toEqual(shown.map((_, index) => index + 1));
      }
      expect(held(log)).toHaveLength(40);
    }
  });
});

/** The message as after that change. */
const after = (seq: number, change: number): Message => ({
  ...message(seq),
  change,
  body: { kind: 'text', text: `${seq}#${change}` },
});
const words = (log: MessageLog) => [...log.messages()].map(({ body }) => (body.kind === 'text' ? body.text : body.kind));

describe('changes in the log', () => {
  it('are applied at once and counted without gaps', () => {
    const log = new MessageLog();
    log.replace(messages(1, 2, 3));
    log.startChanges(4);
    log.change(6, after(2, 6));
    expect(words(log)).toEqual(['1', '2#6', '3']);
    expect([log.changedUpTo, log.behindChanges]).toEqual([4, true]);
    log.change(5, after(3, 5));
    expect([log.changedUpTo, log.behindChanges]).toEqual([6, false]);
  });

  it('never go back to an older version', () => {
    const log = new MessageLog();
    log.replace([after(1, 7)]);
    log.startChanges(7);
    expect(log.change(5, after(1, 5))).toEqual([]);
    log.change(8, after(1, 8));
    log.append(messages(1));
    expect(words(log)).toEqual(['1#8']);
  });

  it('wait for a message that they overtook', () => {
    const log = new MessageLog();
    log.replace(messages(1));
    log.startChanges(0);
    log.change(1, after(2, 1));
    log.append(messages(2));
    expect(words(log)).toEqual(['1', '2#1']);
    expect(log.behindChanges).toBe(false);
  });

  it('are asked for again when a page is older than what was heard', () => {
    const log = new MessageLog();
    log.replace(messages(3, 4));
    log.startChanges(1);
    log.change(2, after(1, 2));
    expect(log.joinedBy(1)).toBe(true);
    log.prepend(messages(1, 2));
    expect(log.behindChanges).toBe(true);
    log.changes([after(1, 2)], 1, 2);
    expect(words(log)).toEqual(['1#2', '2', '3', '4']);
  });

  it('do not hide those before a page of changes that an older page of messages overtook', () => {
    const log = new MessageLog();
    log.replace(messages(3, 4));
    log.startChanges(2);
    log.noteChangeHead(3);
    // Asked for after the second, and on its way; a page that knows of none comes first.
    log.joinedBy(0);
    log.prepend(messages(1, 2));
    log.changes([after(3, 3)], 2, 3);
    expect([log.changedUpTo, log.behindChanges]).toEqual([0, true]);
    log.changes([after(1, 2), after(3, 3)], 0, 3);
    expect(words(log)).toEqual(['1#2', '2', '3#3', '4']);
  });

  it('heard of beyond a gap are asked for again when older messages come between', () => {
    const log = new MessageLog();
    log.replace(messages(3));
    log.startChanges(1);
    log.change(3, after(1, 3));
    log.joinedBy(1);
    log.prepend(messages(1, 2));
    log.change(2, after(3, 2));
    expect([log.changedUpTo, log.behindChanges]).toEqual([2, true]);
  });

  it('keep the own client id and what a reply quotes', () => {
    const log = new MessageLog();
    const own = { ...message(1), client_message_id: 'mine' };
    const quoted = { seq: 1, sender: 'p', sender_name: null, sender_kind: 'patient' as const };
    const reply = { ...message(2), reply_to: { ...quoted, body: { kind: 'text' as const, text: '1' } } };
    log.replace([own, reply]);
    log.change(1, after(1, 1));
    const [first, second] = [...log.messages()];
    expect(first?.client_message_id).toBe('mine');
    expect(second?.reply_to?.body).toEqual({ kind: 'text', text: '1#1' });
    log.change(2, { ...after(1, 2), body: { kind: 'deleted' } });
    expect(log.get(2)?.reply_to?.body).toEqual({ kind: 'deleted' });

    const window = new MessageLog();
    window.replace([reply]);
    window.change(2, { ...after(1, 2), body: { kind: 'deleted' } });
    expect(window.change(1, after(1, 1))).toEqual([]);
    expect(window.get(2)?.reply_to?.body).toEqual({ kind: 'deleted' });
  });
});

/** A seeded generator (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/**
 * A house that writes and changes messages, a bus that loses, doubles and reorders
 * what it says, answers that arrive late, and a client that asks as the conversation
 * does. What is compared in the end is the house's own list.
 */
class Interleaving {
  readonly log = new MessageLog();
  private readonly stored: Message[] = [];
  private change = 0;
  /** Events and answers on their way, delivered in any order. */
  private readonly underWay: (() => void)[] = [];

  constructor(private readonly below: (below: number) => number) {
    for (let n = 0; n < 5; n += 1) this.write();
    this.underWay.length = 0;
    // As a client begins: the position, then the newest page.
    this.log.startChanges(this.change);
    this.log.noteHead(this.stored.length);
    this.log.replace(this.stored.slice(-3));
  }

  step(): void {
    switch (this.below(6)) {
      case 0:
        this.write();
        break;
      case 1:
      case 2:
        this.alter();
        break;
      case 3:
        this.ask();
        break;
      default:
        this.deliver();
    }
  }

  /** Everything arrives or is lost; then the client catches up, as after a beacon. */
  settle(): void {
    while (this.underWay.length > 0) this.deliver();
    this.log.noteHead(this.stored.length);
    this.log.noteChangeHead(this.change);
    for (let rounds = 0; this.log.behind || this.log.behindChanges; rounds += 1) {
      if (rounds > 1_000) throw new Error('it does not settle');
      this.ask();
      while (this.underWay.length > 0) this.underWay.shift()?.();
    }
  }

  expected(): string[] {
    return this.stored.slice(this.log.low - 1).map(({ body }) => (body.kind === 'text' ? body.text : body.kind));
  }

  private write(): void {
    const one = message(this.stored.length + 1);
    this.stored.push(one);
    this.tell(() => this.log.append([one]));
  }

  private alter(): void {
    const seq = 1 + this.below(this.stored.length);
    this.change += 1;
    const one = after(seq, this.change);
    this.stored[seq - 1] = one;
    this.tell(() => this.log.change(one.change, one));
  }

  /** Lost, told once, or told twice. */
  private tell(event: () => void): void {
    for (let times = this.below(3); times > 0; times -= 1) this.underWay.push(event);
  }

  private deliver(): void {
    const [next] = this.underWay.splice(this.below(Math.max(1, this.underWay.length)), 1);
    next?.();
  }

  /** The answer says what is there now, and arrives whenever it does. */
  private ask(): void {
    const { change } = this;
    if (this.log.behindChanges) {
      const from = this.log.changedUpTo;
      const found = this.stored.filter((one) => one.change > from).sort((a, b) => a.change - b.change);
      const page = found.slice(0, 2);
      const upTo = found.length > 2 ? (page.at(-1)?.change ?? change) : change;
      this.underWay.push(() => this.log.changes(page, from, upTo));
    } else if (this.log.behind) {
      const page = this.stored.slice(this.log.high, this.log.high + 3);
      this.underWay.push(() => {
        this.log.joinedBy(change);
        this.log.append(page);
      });
    } else if (this.log.low > 1) {
      const page = this.stored.slice(Math.max(0, this.log.low - 3), this.log.low - 1);
      this.underWay.push(() => {
        this.log.joinedBy(change);
        this.log.prepend(page);
      });
    }
  }
}

describe('whatever is lost, doubled, late or out of order', () => {
  it('the log ends as the house has it, each message once', () => {
    for (let seed = 1; seed <= 400; seed += 1) {
      const below = random(seed);
      const one = new Interleaving(below);
      for (let steps = 20 + below(120); steps > 0; steps -= 1) {
        one.step();
        const seqs = held(one.log);
        expect(seqs, `seed ${seed}`).toEqual(seqs.map((_, index) => one.log.low + index));
      }
      one.settle();
      expect(words(one.log), `seed ${seed}`).toEqual(one.expected());
    }
  });
});

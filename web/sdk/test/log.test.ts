import { describe, expect, it } from 'vitest';

import { MessageLog } from '../src/chat/log';
import type { Message } from '../src/generated/realtime';

const message = (seq: number): Message => ({
  seq,
  sender: 'p',
  reply_to: null,
    edited_at: null,
    change: 0,
    sender_name: null,
  sender_kind: 'patient',
  client_message_id: null,
  consultation: null,
  sent_at: seq,
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

/**
 * Random interleavings of what can happen to a device: nudges and acknowledgements lost,
 * refusals, broken connections, an app that is closed and opened again. Whatever happened,
 * it ends with the house's order, what was written there stands once and in the order of
 * writing, and at no moment anything is shown twice or out of order.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';

import type { Conversation } from '../src/chat/conversation';
import { LocalStorage } from '../src/chat/storage';
import type { Housecall } from '../src/housecall';
import type { ChatItem } from '../src/types';
import { connect, House, type Socket, TALK, until } from './house';

const ROUNDS = 60;
const STEPS = 40;

/** Loses what it is told to lose of its answers to `chat.send`. */
class LossyHouse extends House {
  /** For each of the next messages. */
  readonly losses: { ack: boolean; nudge: boolean }[] = [];

  override handle(socket: Socket, frame: Parameters<House['handle']>[1]): void {
    const loss = frame.type === 'chat.send' ? this.losses.shift() : undefined;
    super.handle(loss ? withLoss(socket, loss) : socket, frame);
  }
}

function withLoss(socket: Socket, { ack, nudge }: { ack: boolean; nudge: boolean }): Socket {
  const lossy = Object.create(socket) as Socket;
  if (ack) lossy.answer = () => undefined;
  if (nudge) lossy.event = () => undefined;
  return lossy;
}

/** Park and Miller's generator: a failing round comes again under its seed. */
class Chance {
  constructor(private seed: number) {}

  next(): number {
    this.seed = (this.seed * 48_271) % 2_147_483_647;
    return this.seed / 2_147_483_647;
  }

  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  pick<T>(all: readonly T[]): T {
    const one = all[this.below(all.length)];
    if (one === undefined) throw new Error('nothing to pick from');
    return one;
  }
}

class Round {
  readonly house = new LossyHouse();
  readonly written: string[] = [];
  readonly faults: string[] = [];
  private client!: Housecall;
  private conversation!: Conversation;
  private doctors = 0;

  constructor(
    private readonly chance: Chance,
    private readonly person: string,
  ) {}

  async run(): Promise<void> {
    await this.launch();
    for (let n = 0; n < STEPS; n += 1) {
      await this.chance.pick(this.steps)();
      await this.turns(this.chance.below(6));
    }
    await this.heal();
    this.check();
    this.client.realtime.stop();
  }

  private readonly steps = [
    () => this.doctorWrites(false),
    () => this.doctorWrites(true),
    () => this.writes(),
    () => this.writes(),
    () => this.writes(),
    () => void this.house.losses.push({ ack: this.chance.below(2) === 0, nudge: this.chance.below(2) === 0 }),
    () => void this.house.refusals.set('chat.send', [{ code: 'unavailable' }]),
    () => void this.house.refusals.set(this.chance.pick(['chat.fetch', 'chat.open']), [{ code: 'unavailable' }]),
    () => this.beacon(),
    () => this.house.socket.lose(),
    () => void (this.house.accepting = this.chance.below(3) > 0),
    () => this.relaunch(),
  ];

  private doctorWrites(quiet: boolean): void {
    this.doctors += 1;
    this.house.write(`doctor ${this.doctors}`, { quiet });
  }

  private writes(): void {
    const text = `patient ${this.written.length + 1}`;
    this.written.push(text);
    this.conversation.sendText(text);
  }

  private beacon(): void {
    this.house.socket.event('chat.head', { conversation: TALK, head_seq: this.house.messages.length, head_change: 0 });
  }

  private async launch(): Promise<void> {
    this.client = await connect(this.house, { person: this.person });
    this.conversation = this.client.chat.conversation(TALK);
    this.conversation.subscribe(() => this.look());
    this.conversation.open();
  }

  /** The app is closed, as soon as what was written is on the device, and opened again. */
  private async relaunch(): Promise<void> {
    await LocalStorage.for('patient', this.person, true).outbox(TALK);
    this.client.realtime.stop();
    await this.launch();
  }

  private async turns(count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  /** At every moment: a stretch of the house's order, then what waits, nothing twice. */
  private look(): void {
    const { items } = this.conversation.getSnapshot();
    const seqs = items.flatMap((item) => item.seq ?? []);
    const first = seqs[0] ?? 1;
    if (seqs.some((seq, index) => seq !== first + index)) this.faults.push(`a gap: ${seqs.join()}`);
    if (items.slice(0, seqs.length).some((item) => item.seq === null)) this.faults.push('what waits is not last');
    const said = items.map(text);
    if (new Set(said).size !== said.length) this.faults.push(`twice: ${said.join()}`);
  }

  state(): string {
    const { items, status, headSeq } = this.conversation.getSnapshot();
    const { status: connection } = this.client.realtime.getSnapshot();
    const shown = items.map((item) => `${item.seq} ${item.state}`).join(', ');
    return `${connection}, ${status}, ${headSeq} of ${this.house.messages.length}: ${shown}`;
  }

  private async heal(): Promise<void> {
    this.house.accepting = true;
    this.house.losses.length = 0;
    this.house.refusals.clear();
    // Who waits for an answer that was lost would wait for its time-out.
    if (this.conversation.getSnapshot().items.some((item) => item.seq === null)) this.house.socket.lose();
    else this.beacon();
    await this.holdsAll();
    // On a connection that stays, the beacon alone tells of the last loss.
    this.doctorWrites(true);
    this.beacon();
    await this.holdsAll();
  }

  private holdsAll(): Promise<void> {
    return until(this.conversation, () => {
      const { items, status } = this.conversation.getSnapshot();
      if (!this.client.realtime.online || status !== 'ready' || items.some((item) => item.seq === null)) return false;
      return (items.at(-1)?.seq ?? 0) === this.house.messages.length;
    });
  }

  private check(): void {
    expect(this.faults).toEqual([]);
    const stored = this.house.messages;
    expect(stored.filter((message) => message.client_message_id).map(text)).toEqual(this.written);
    const { items } = this.conversation.getSnapshot();
    expect(items.map(text)).toEqual(stored.slice(stored.length - items.length).map(text));
    expect(items.every((item) => item.state === 'sent' || item.state === 'received')).toBe(true);
  }
}

function text({ body }: { body: ChatItem['body'] }): string {
  return body.kind === 'text' ? body.text : body.kind;
}

afterEach(() => vi.restoreAllMocks());

describe('a device', () => {
  it('ends with the house’s order and its own words once, whatever happened', { timeout: 60_000 }, async () => {
    // Retries at once instead of after a random part of a second.
    vi.spyOn(Math, 'random').mockReturnValue(0);
    for (let seed = 1; seed <= ROUNDS; seed += 1) {
      const person = `aaaaaaaa-0000-7000-8000-2${String(seed).padStart(11, '0')}`;
      const round = new Round(new Chance(seed * 7_919), person);
      const late = new Promise<never>((_, reject) => {
        const message = () => reject(new Error(`it never recovers: ${round.state()}`));
        setTimeout(message, 10_000).unref();
      });
      await Promise.race([round.run(), late]).catch((error: unknown) => {
        throw new Error(`seed ${seed}`, { cause: error });
      });
    }
  });
});

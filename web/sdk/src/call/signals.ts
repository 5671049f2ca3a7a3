/** Small messages between the people of a call that nobody keeps: a raised hand, a request to turn something on. */
import type { CallDataView } from '../generated/realtime';
import type { Realtime } from '../realtime';
import type { CallSnapshot } from '../types';

const HAND = 'hand';
const ASK = 'ask';

type Asked = NonNullable<CallSnapshot['asked']>;

export class Signals {
  constructor(
    private readonly realtime: Realtime,
    private readonly call: () => string | null,
  ) {}

  hand(raised: boolean): void {
    this.send(HAND, { raised }, null);
  }

  ask(person: string, source: Asked): void {
    this.send(ASK, { source }, person);
  }

  private send(topic: string, payload: unknown, to: string | null): void {
    const call = this.call();
    if (call) this.realtime.send('call.data', { call, topic, payload, to });
  }
}

export const isHand = (data: CallDataView): boolean => data.topic === HAND;

/** What somebody asks to turn on; null for any other message. */
export function askedFor({ topic, payload }: CallDataView): Asked | null {
  if (topic !== ASK) return null;
  const source = (payload as { source?: unknown } | null)?.source;
  return source === 'microphone' || source === 'camera' ? source : null;
}

import { MINUTE_MS } from '../format/time';

/** How loudly a wait speaks: the desk promises an answer in five minutes. */
export type WaitingTone = 'calm' | 'warn' | 'late';

const WARN_AFTER_MS = 5 * MINUTE_MS;
const LATE_AFTER_MS = 10 * MINUTE_MS;

export function waitingTone(waitedMs: number): WaitingTone {
  if (waitedMs >= LATE_AFTER_MS) return 'late';
  return waitedMs >= WARN_AFTER_MS ? 'warn' : 'calm';
}

/** Tells the house that the person uses this device, so that it can tell who is away. Says that, and nothing of what they do. */
import type { Realtime } from './realtime';

/** The house waits for minutes before it calls anybody away. */
const SAY_EVERY_MS = 60_000;

const SIGNS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'] as const;

/** Reports use from now on; returns how to stop. */
export function reportActivity(realtime: Pick<Realtime, 'send'>, target: EventTarget = globalThis): () => void {
  let saidAt = -Infinity;
  const notice = () => {
    const now = Date.now();
    if (now - saidAt < SAY_EVERY_MS) return;
    // Without a connection nothing was said, so the next sign says it.
    if (realtime.send('presence.active', {})) saidAt = now;
  };
  SIGNS.forEach((sign) => target.addEventListener(sign, notice, { passive: true }));
  return () => SIGNS.forEach((sign) => target.removeEventListener(sign, notice));
}

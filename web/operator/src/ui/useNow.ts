import { useSyncExternalStore } from 'react';

type Clock = { now: number; listeners: Set<() => void>; timer: number | undefined };

const clocks = new Map<number, Clock>();

function clockOf(intervalMs: number): Clock {
  let clock = clocks.get(intervalMs);
  if (!clock) {
    clock = { now: Date.now(), listeners: new Set(), timer: undefined };
    clocks.set(intervalMs, clock);
  }
  return clock;
}

function subscribe(intervalMs: number, listener: () => void): () => void {
  const clock = clockOf(intervalMs);
  clock.listeners.add(listener);
  if (clock.timer === undefined) {
    clock.now = Date.now();
    clock.timer = window.setInterval(() => {
      clock.now = Date.now();
      clock.listeners.forEach((notify) => notify());
    }, intervalMs);
  }
  return () => {
    clock.listeners.delete(listener);
    if (clock.listeners.size === 0) {
      window.clearInterval(clock.timer);
      clock.timer = undefined;
    }
  };
}

const subscribers = new Map<number, (listener: () => void) => () => void>();

function subscriberOf(intervalMs: number) {
  let subscriber = subscribers.get(intervalMs);
  if (!subscriber) {
    subscriber = (listener) => subscribe(intervalMs, listener);
    subscribers.set(intervalMs, subscriber);
  }
  return subscriber;
}

/** The time, renewed at the interval; everybody with one interval shares one timer. */
export function useNow(intervalMs: number): number {
  return useSyncExternalStore(subscriberOf(intervalMs), () => clockOf(intervalMs).now);
}

/** The two small building blocks of every part of the SDK: a store and an emitter. */
import type { Observable } from './types';

export class Store<T> implements Observable<T> {
  private readonly listeners = new Set<() => void>();

  constructor(private snapshot: T) {}

  // Arrow properties, so that both can be handed to `useSyncExternalStore` unbound.
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getSnapshot = (): T => this.snapshot;

  protected set(next: T): void {
    if (Object.is(next, this.snapshot)) return;
    this.snapshot = next;
    for (const listener of [...this.listeners]) listener();
  }
}

export class Emitter<A extends unknown[]> {
  private readonly listeners = new Set<(...args: A) => void>();

  on(listener: (...args: A) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  emit(...args: A): void {
    for (const listener of [...this.listeners]) listener(...args);
  }
}

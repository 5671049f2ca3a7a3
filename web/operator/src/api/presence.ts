/** Who is reachable: what the screen shows is what the connection watches. */
import type { Housecall, PersonId, PresenceStatus } from '@housecall/sdk';
import { useEffect, useMemo, useSyncExternalStore } from 'react';

import { useHouse } from './house';

class PresenceBoard {
  readonly #realtime: Housecall['realtime'];
  readonly #watchers = new Map<PersonId, number>();
  readonly #listeners = new Set<() => void>();
  #statuses: ReadonlyMap<PersonId, PresenceStatus> = new Map();
  #announcing = false;

  constructor(realtime: Housecall['realtime']) {
    this.#realtime = realtime;
    let connection: string | undefined;
    realtime.subscribe(() => {
      const { welcome, status } = realtime.getSnapshot();
      if (status !== 'online' || !welcome || welcome.connection === connection) return;
      connection = welcome.connection;
      this.#announce();
    });
    realtime.on('presence', ({ people }) => {
      const statuses = new Map(this.#statuses);
      for (const { person, status } of people) statuses.set(person, status);
      this.#statuses = statuses;
      this.#listeners.forEach((notify) => notify());
    });
  }

  subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  getSnapshot = () => this.#statuses;

  watch(people: readonly PersonId[]): () => void {
    people.forEach((id) => this.#watchers.set(id, (this.#watchers.get(id) ?? 0) + 1));
    this.#announce();
    return () => {
      for (const id of people) {
        const left = (this.#watchers.get(id) ?? 1) - 1;
        if (left > 0) this.#watchers.set(id, left);
        else this.#watchers.delete(id);
      }
      this.#announce();
    };
  }

  /** The frame replaces the whole list, so a render's changes are sent once, together. */
  #announce(): void {
    if (this.#announcing) return;
    this.#announcing = true;
    queueMicrotask(() => {
      this.#announcing = false;
      if (this.#realtime.getSnapshot().status !== 'online') return;
      this.#realtime.send('presence.watch', { people: [...this.#watchers.keys()] });
    });
  }
}

const boards = new WeakMap<Housecall, PresenceBoard>();

function boardOf(house: Housecall): PresenceBoard {
  let board = boards.get(house);
  if (!board) {
    board = new PresenceBoard(house.realtime);
    boards.set(house, board);
  }
  return board;
}

// What one connection may watch; rows beyond it show no dot.
const MOST = 100;

/** Statuses of these people, kept fresh while the component is shown. */
export function usePresence(people: readonly PersonId[]): ReadonlyMap<PersonId, PresenceStatus> {
  const board = boardOf(useHouse());
  const key = people.slice(0, MOST).join(' ');
  const ids = useMemo(() => key.split(' ').filter(Boolean), [key]);
  useEffect(() => board.watch(ids), [board, ids]);
  return useSyncExternalStore(board.subscribe, board.getSnapshot);
}

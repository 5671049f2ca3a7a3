import type { Topic } from '@housecall/sdk';
import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';

import { useHouse } from './house';

// One action often announces several changes: they cost one fetch together.
const GATHER_MS = 120;

const KEYS: Record<Topic, string[]> = {
  consultations: ['consultations', 'consultation', 'patient'],
  callbacks: ['callbacks', 'patient'],
  operators: ['operators'],
  patient: ['patient', 'patients', 'consultations', 'consultation'],
};

function refetch(client: QueryClient, keys: Iterable<string>): void {
  for (const key of keys) void client.invalidateQueries({ queryKey: [key] });
}

/** Fetches lists again when the house says they changed, and all of them after a lost connection. */
export function useChanges(): void {
  const { realtime } = useHouse();
  const client = useQueryClient();
  useEffect(() => {
    const waiting = new Set<string>();
    let timer: number | undefined;
    const flush = () => {
      timer = undefined;
      refetch(client, waiting);
      waiting.clear();
    };
    const stopChanged = realtime.on('changed', ({ topic }) => {
      KEYS[topic].forEach((key) => waiting.add(key));
      timer ??= window.setTimeout(flush, GATHER_MS);
    });
    let connection = realtime.getSnapshot().welcome?.connection;
    const stopWelcome = realtime.subscribe(() => {
      const now = realtime.getSnapshot().welcome?.connection;
      if (now === undefined || now === connection) return;
      const first = connection === undefined;
      connection = now;
      if (!first) void client.invalidateQueries();
    });
    return () => {
      stopChanged();
      stopWelcome();
      window.clearTimeout(timer);
    };
  }, [realtime, client]);
}

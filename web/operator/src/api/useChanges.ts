import type { Topic } from '@housecall/sdk';
import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';

import { refreshConsultations, waitingPatients } from './freshConsultation';
import { useHouse, useMe } from './house';

// One action often announces several changes: they cost one fetch together.
const GATHER_MS = 120;

const KEYS: Record<Topic, string[]> = {
  consultations: ['consultations', 'patient', 'calls'],
  callbacks: ['callbacks', 'patient', 'calls'],
  operators: ['operators'],
  patient: ['patient', 'patients', 'consultations'],
};

const EVERYTHING = [...new Set(Object.values(KEYS).flat())];

async function refetch(client: QueryClient, keys: readonly string[], readsAll: boolean): Promise<void> {
  const lists = keys.filter((key) => key !== 'patient');
  await Promise.all(lists.map((key) => client.invalidateQueries({ queryKey: [key] })));
  if (keys.includes('consultations')) refreshConsultations(client, readsAll);
  if (!keys.includes('patient')) return;
  const closed = readsAll ? new Set<string>() : waitingPatients(client);
  await client.invalidateQueries({
    queryKey: ['patient'],
    predicate: ({ queryKey }) => !closed.has(String(queryKey[1])),
  });
}

/** Fetches lists again when the house says they changed, and all of them after a lost connection. */
export function useChanges(): void {
  const { realtime } = useHouse();
  const client = useQueryClient();
  const readsAll = useMe().role === 'supervisor';
  useEffect(() => {
    const waiting = new Set<string>();
    let timer: number | undefined;
    const flush = () => {
      timer = undefined;
      const keys = [...waiting];
      waiting.clear();
      void refetch(client, keys, readsAll);
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
      if (!first) void refetch(client, EVERYTHING, readsAll);
    });
    return () => {
      stopChanged();
      stopWelcome();
      window.clearTimeout(timer);
    };
  }, [realtime, client, readsAll]);
}

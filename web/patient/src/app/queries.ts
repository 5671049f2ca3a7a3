/** Server state by TanStack Query, kept on the phone so that the app opens without a network. */
import { QueryClient, defaultShouldDehydrateQuery, dehydrate, hydrate, useInfiniteQuery, useQuery, type Query } from '@tanstack/react-query';
import { ApiError } from '@housecall/sdk';

import { housecall } from './client';

const CACHE_KEY = 'housecall.patient.cache';

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      gcTime: 24 * 3_600_000,
      retry: (count, error) => error instanceof ApiError && error.temporary && error.status !== 401 && count < 3,
    },
  },
});

/** Reads what the last visit saw and keeps it up to date. */
export function keepQueries(): void {
  try {
    hydrate(queryClient, JSON.parse(localStorage.getItem(CACHE_KEY) ?? 'null'));
  } catch {
    // Written by another version: the server tells again.
  }
  let timer: ReturnType<typeof setTimeout> | undefined;
  queryClient.getQueryCache().subscribe(() => {
    timer ??= setTimeout(() => {
      timer = undefined;
      if (housecall.session.me) save(JSON.stringify(dehydrate(queryClient, { shouldDehydrateQuery: isKept })));
    }, 1_000);
  });
  housecall.session.onSignedOut(() => {
    queryClient.removeQueries({ predicate: (query) => query.queryKey[0] !== 'brand' });
    save(null);
  });
  housecall.realtime.on('changed', ({ topic }) => {
    void queryClient.invalidateQueries({ queryKey: ['home'] });
    if (topic === 'consultations') void queryClient.invalidateQueries({ queryKey: ['history'] });
  });
  // Claims, closings and callbacks are written into the conversation too.
  housecall.realtime.on('chat.message', ({ message }) => {
    if (message.body.kind === 'system') void queryClient.invalidateQueries({ queryKey: ['home'] });
  });
  // Whatever changed while there was no connection.
  housecall.realtime.on('welcome', () => void queryClient.invalidateQueries({ refetchType: 'active' }));
}

/** What was searched for is not worth the phone's memory. */
function isKept(query: Query): boolean {
  return query.queryKey[0] !== 'search' && defaultShouldDehydrateQuery(query);
}

function save(text: string | null): void {
  try {
    if (text) localStorage.setItem(CACHE_KEY, text);
    else localStorage.removeItem(CACHE_KEY);
  } catch {
    // Full or refused: the next start needs the network.
  }
}

export const useBrand = () =>
  useQuery({ queryKey: ['brand'], queryFn: () => housecall.api.brand(), staleTime: 3_600_000 });

export const useHome = () =>
  useQuery({ queryKey: ['home'], queryFn: () => housecall.api.patientHome(), refetchInterval: 60_000 });

export const useHistory = () =>
  useInfiniteQuery({
    queryKey: ['history'],
    queryFn: ({ pageParam }) => housecall.api.consultations({ state: 'closed', after: pageParam, limit: 20 }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
  });

export const useDevices = () =>
  useQuery({ queryKey: ['devices'], queryFn: () => housecall.api.deviceSessions() });

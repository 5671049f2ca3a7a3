/** What the portal asks the house for; server state lives in TanStack Query alone. */
import type { CallbackPage, CallPage, ConsultationPage, MessageHitPage, PatientPage } from '@housecall/sdk';
import {
  type InfiniteData, keepPreviousData, skipToken, useInfiniteQuery, useQuery,
} from '@tanstack/react-query';

import { useHouse } from './house';

export type DeskTab = 'queue' | 'mine' | 'all' | 'archive';
export type CallTab = 'running' | 'ended' | 'poor';
export type RequestTab = 'new' | 'in_progress' | 'overdue' | 'archive';

const PAGE = 50;
const nextOf = (page: { next: string | null }) => page.next ?? undefined;
const first = undefined as string | undefined;

/** All items of the pages loaded so far. */
export function itemsOf<T>(data: InfiniteData<{ items: T[] }> | undefined): T[] {
  return data?.pages.flatMap((page) => page.items) ?? [];
}

export function useBrand() {
  const { api } = useHouse();
  return useQuery({ queryKey: ['brand'], queryFn: () => api.brand(), staleTime: Infinity });
}

export function useSpecialties() {
  const { api } = useHouse();
  return useQuery({ queryKey: ['specialties'], queryFn: () => api.specialties(), staleTime: Infinity });
}

const DESK: Record<DeskTab, { state: string; mine?: boolean }> = {
  queue: { state: 'waiting' },
  mine: { state: 'active', mine: true },
  all: { state: 'active' },
  archive: { state: 'closed' },
};

export function useConsultations(tab: DeskTab, q = '', enabled = true) {
  const { api } = useHouse();
  return useInfiniteQuery<ConsultationPage, Error, InfiniteData<ConsultationPage>, string[], string | undefined>({
    queryKey: ['consultations', tab, q],
    queryFn: ({ pageParam }) =>
      api.consultations({ ...DESK[tab], ...(q && { q }), ...(pageParam && { after: pageParam }), limit: PAGE }),
    initialPageParam: first,
    getNextPageParam: nextOf,
    enabled,
  });
}

export function useConsultation(id: string | undefined) {
  const { api } = useHouse();
  return useQuery({
    queryKey: ['consultation', id],
    queryFn: () => api.consultation(id ?? ''),
    enabled: id !== undefined,
    // `refreshConsultations` keeps it fresh and never asks for what would be refused.
    staleTime: Infinity,
  });
}

/** A consultation that waited when it was opened and went to somebody else since. */
export function useGone(id: string): boolean {
  return useQuery<boolean>({ queryKey: ['gone', id], queryFn: skipToken }).data ?? false;
}

export function useCallbacks(tab: RequestTab, enabled = true) {
  const { api } = useHouse();
  return useInfiniteQuery<CallbackPage, Error, InfiniteData<CallbackPage>, string[], string | undefined>({
    queryKey: ['callbacks', tab],
    queryFn: ({ pageParam }) =>
      api.callbacks({ state: tab, ...(pageParam && { after: pageParam }), limit: PAGE }),
    initialPageParam: first,
    getNextPageParam: nextOf,
    enabled,
  });
}

export function useCalls(list: CallTab) {
  const { api } = useHouse();
  return useInfiniteQuery<CallPage, Error, InfiniteData<CallPage>, string[], string | undefined>({
    queryKey: ['calls', list],
    queryFn: ({ pageParam }) => api.calls({ list, ...(pageParam && { after: pageParam }), limit: PAGE }),
    initialPageParam: first,
    getNextPageParam: nextOf,
  });
}

export function useCallRecord(id: string) {
  const { api } = useHouse();
  // A record does not change once it is written, and only ended calls have one to show.
  return useQuery({ queryKey: ['call', id], queryFn: () => api.call(id), staleTime: Infinity });
}

export function usePatients(q: string) {
  const { api } = useHouse();
  return useInfiniteQuery<PatientPage, Error, InfiniteData<PatientPage>, string[], string | undefined>({
    queryKey: ['patients', q],
    queryFn: ({ pageParam }) =>
      api.patients({ ...(q && { q }), ...(pageParam && { after: pageParam }), limit: PAGE }),
    initialPageParam: first,
    getNextPageParam: nextOf,
    placeholderData: keepPreviousData,
  });
}

/** Messages with these words, newest first: in one conversation, or in all that the operator may read. */
export function useMessageSearch(q: string, conversation?: string) {
  const { api } = useHouse();
  return useInfiniteQuery<MessageHitPage, Error, InfiniteData<MessageHitPage>, string[], string | undefined>({
    queryKey: ['search', conversation ?? '', q],
    queryFn: ({ pageParam, signal }) =>
      api.searchMessages({ q, ...(conversation && { conversation }), ...(pageParam && { after: pageParam }) }, signal),
    initialPageParam: first,
    getNextPageParam: nextOf,
    // One letter begins every other word.
    enabled: q.length > 1,
    // A list that moves under the eyes of who goes through it helps nobody.
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
}

export function usePatient(id: string | undefined) {
  const { api } = useHouse();
  return useQuery({
    queryKey: ['patient', id],
    queryFn: () => api.patient(id ?? ''),
    enabled: id !== undefined,
    staleTime: Infinity,
  });
}

export function useOperators(enabled = true) {
  const { api } = useHouse();
  return useQuery({ queryKey: ['operators'], queryFn: () => api.operators(), enabled });
}

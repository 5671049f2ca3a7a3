import { useCallback } from 'react';
import { useLocation, useNavigate, useParams, useSearchParams } from 'react-router';

import { useMe } from '../api/house';
import type { DeskTab } from '../api/queries';

/** Tabs of a role: who reads every conversation also sees everybody's. */
export function tabsOf(role: string | null): DeskTab[] {
  return role === 'supervisor' ? ['queue', 'mine', 'all', 'archive'] : ['queue', 'mine', 'archive'];
}

/** Where the desk stands: tab, search and chosen row live in the address. */
export function useDeskPlace() {
  const { id } = useParams();
  const [params, setParams] = useSearchParams();
  const navigate = useNavigate();
  const tabs = tabsOf(useMe().role);
  const asked = params.get('tab');
  const tab = tabs.find((known) => known === asked) ?? 'queue';
  const q = params.get('q') ?? '';
  const { key, state } = useLocation();
  const seq = Number(params.get('message'));
  const target = Number.isSafeInteger(seq) && seq > 0
    // The key is the visit's: the same row pressed again shows its message again.
    ? { seq, key, words: (state as { found?: string[] } | null)?.found ?? [] }
    : undefined;
  const addressOf = (nextTab: DeskTab, nextId?: string, message?: number) => {
    const search = new URLSearchParams({ tab: nextTab, ...(q && { q }), ...(message && { message: String(message) }) });
    return `/consultations${nextId ? `/${nextId}` : ''}?${search}`;
  };
  const setSearch = useCallback((words: string) => {
    setParams((before) => {
      const next = new URLSearchParams(before);
      if (words) next.set('q', words);
      else next.delete('q');
      // Shown already; a new search is not about it.
      next.delete('message');
      return next;
    }, { replace: true });
  }, [setParams]);
  const go = (nextTab: DeskTab, nextId?: string) => void navigate(addressOf(nextTab, nextId));
  return { id, tab, q, tabs, target, addressOf, setSearch, go };
}

export type DeskPlace = ReturnType<typeof useDeskPlace>;

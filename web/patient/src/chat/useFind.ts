/** A search in the conversation: the hits, newest first, and the one that is shown. */
import { foundWords, type MessageHitPage } from '@housecall/sdk';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';

import { housecall } from '../app/client';

// A pause in typing that is long enough to mean "look now".
const PAUSE_MS = 300;
/** Fewer letters begin every other word. */
const FEWEST_CHARACTERS = 2;

const noHits: MessageHitPage['items'] = [];

export function useFind(conversation: string, typed: string) {
  const words = usePaused(typed.trim());
  const query = useInfiniteQuery({
    queryKey: ['search', conversation, words],
    queryFn: ({ pageParam, signal }) =>
      housecall.api.searchMessages({ q: words, conversation, ...(pageParam ? { after: pageParam } : {}) }, signal),
    initialPageParam: '',
    getNextPageParam: (page: MessageHitPage) => page.next,
    enabled: words.length >= FEWEST_CHARACTERS,
    // A list that moves under the eyes of who goes through it helps nobody.
    refetchOnWindowFocus: false,
    gcTime: 60_000,
  });
  const hits = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? noHits, [query.data]);
  const found = useMemo(() => new Map(hits.map((hit) => [hit.seq, foundWords(hit)])), [hits]);
  const [place, setPlace] = useState({ words, at: 0 });
  const at = place.words === words ? Math.min(place.at, Math.max(0, hits.length - 1)) : 0;
  const older = async () => {
    if (at + 1 >= hits.length) {
      if (!query.hasNextPage) return;
      await query.fetchNextPage();
    }
    setPlace({ words, at: at + 1 });
  };
  return {
    words,
    seq: hits[at]?.seq,
    found,
    at,
    count: hits.length,
    more: query.hasNextPage,
    state: stateOf(query, hits.length),
    error: query.error,
    hasOlder: at + 1 < hits.length || query.hasNextPage,
    hasNewer: at > 0,
    older: () => void older(),
    newer: () => setPlace({ words, at: Math.max(0, at - 1) }),
  };
}

type State = 'idle' | 'offline' | 'failed' | 'nothing' | 'found';

function stateOf(query: { fetchStatus: string; status: string }, hits: number): State {
  if (hits > 0) return 'found';
  if (query.fetchStatus === 'paused') return 'offline';
  if (query.status === 'error') return 'failed';
  return query.status === 'success' ? 'nothing' : 'idle';
}

function usePaused(value: string): string {
  const [paused, setPaused] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setPaused(value), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return paused;
}

import { foundWords, type MessageHit } from '@housecall/sdk';
import { useMemo, useState } from 'react';

import { itemsOf, useMessageSearch } from '../api/queries';

/** A search in one conversation: the hits, newest first, and the one that is shown. */
export function useFind(conversation: string, words: string) {
  const query = useMessageSearch(words, conversation);
  const hits: MessageHit[] = itemsOf(query.data);
  const [place, setPlace] = useState({ words, at: 0 });
  const at = place.words === words ? Math.min(place.at, Math.max(0, hits.length - 1)) : 0;
  const found = useMemo(
    () => new Map(itemsOf(query.data).map((hit) => [hit.seq, foundWords(hit)])),
    [query.data],
  );
  const older = async () => {
    if (at + 1 >= hits.length) {
      if (!query.hasNextPage) return;
      await query.fetchNextPage();
    }
    setPlace({ words, at: at + 1 });
  };
  return {
    hit: hits[at],
    at,
    count: hits.length,
    more: query.hasNextPage,
    found,
    failed: query.error,
    looking: query.isFetching,
    done: query.isSuccess,
    hasOlder: at + 1 < hits.length || query.hasNextPage,
    hasNewer: at > 0,
    older: () => void older(),
    newer: () => setPlace({ words, at: Math.max(0, at - 1) }),
  };
}

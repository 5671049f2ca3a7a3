import { useCallback, useSyncExternalStore } from 'react';

export function useMediaQuery(query: string): boolean {
  const subscribe = useCallback(
    (listener: () => void) => {
      const list = window.matchMedia(query);
      list.addEventListener('change', listener);
      return () => list.removeEventListener('change', listener);
    },
    [query],
  );
  return useSyncExternalStore(subscribe, () => window.matchMedia(query).matches);
}

/** One pane at a time. */
export const usePhone = () => useMediaQuery('(max-width: 767.98px)');
/** The patient's card stands beside the conversation. */
export const useWide = () => useMediaQuery('(min-width: 1200px)');

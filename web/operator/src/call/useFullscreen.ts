import { type RefObject, useCallback, useSyncExternalStore } from 'react';

function subscribe(listener: () => void): () => void {
  document.addEventListener('fullscreenchange', listener);
  return () => document.removeEventListener('fullscreenchange', listener);
}

export type Fullscreen = { on: boolean; possible: boolean; toggle: () => void };

export function useFullscreen(element: RefObject<HTMLElement | null>): Fullscreen {
  const on = useSyncExternalStore(subscribe, () => document.fullscreenElement !== null);
  const toggle = useCallback(() => {
    const change = document.fullscreenElement
      ? document.exitFullscreen()
      : element.current?.requestFullscreen();
    // The browser may refuse; the picture is then as large as it was.
    change?.catch(() => undefined);
  }, [element]);
  return { on, possible: document.fullscreenEnabled, toggle };
}

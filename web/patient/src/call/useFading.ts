import { useCallback, useEffect, useRef, useState } from 'react';

const FADE_MS = 4_000;

interface Fading {
  hidden: boolean;
  wake: () => void;
  /** Before the next drawing too: whether a press now is one on something unseen. */
  isHidden: () => boolean;
}

/** Hides what lies over the picture after a while without a touch. */
export function useFading(enabled: boolean): Fading {
  const [touchedAt, setTouchedAt] = useState(() => Date.now());
  const [hidden, setHidden] = useState(false);
  const now = useRef(false);
  useEffect(() => {
    const set = (next: boolean) => {
      now.current = next;
      setHidden(next);
    };
    set(false);
    if (!enabled) return undefined;
    const timer = setTimeout(() => set(true), FADE_MS);
    return () => clearTimeout(timer);
  }, [enabled, touchedAt]);
  const wake = useCallback(() => {
    now.current = false;
    setTouchedAt(Date.now());
  }, []);
  return { hidden: enabled && hidden, wake, isHidden: useCallback(() => now.current, []) };
}

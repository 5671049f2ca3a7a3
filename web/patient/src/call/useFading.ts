import { useCallback, useEffect, useState } from 'react';

const FADE_MS = 4_000;

/** Hides what lies over the picture after a while without a touch. */
export function useFading(enabled: boolean): { hidden: boolean; wake: () => void } {
  const [touchedAt, setTouchedAt] = useState(() => Date.now());
  const [hidden, setHidden] = useState(false);
  useEffect(() => {
    setHidden(false);
    if (!enabled) return undefined;
    const timer = setTimeout(() => setHidden(true), FADE_MS);
    return () => clearTimeout(timer);
  }, [enabled, touchedAt]);
  return { hidden: enabled && hidden, wake: useCallback(() => setTouchedAt(Date.now()), []) };
}

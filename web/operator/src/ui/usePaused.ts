import { useEffect, useState } from 'react';

/** A value after it has kept still for this long. */
export function usePaused<T>(value: T, pauseMs: number): T {
  const [paused, setPaused] = useState(value);
  useEffect(() => {
    const timer = window.setTimeout(() => setPaused(value), pauseMs);
    return () => window.clearTimeout(timer);
  }, [value, pauseMs]);
  return paused;
}

import { useCallback, useEffect, useRef, useState } from 'react';

/** True after a while without a sign of the person; `wake` is the sign. */
export function useIdle(afterMs: number): [boolean, () => void] {
  const [idle, setIdle] = useState(false);
  const timer = useRef<number | undefined>(undefined);
  const wake = useCallback(() => {
    setIdle(false);
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => setIdle(true), afterMs);
  }, [afterMs]);
  useEffect(() => {
    timer.current = window.setTimeout(() => setIdle(true), afterMs);
    return () => window.clearTimeout(timer.current);
  }, [afterMs]);
  return [idle, wake];
}

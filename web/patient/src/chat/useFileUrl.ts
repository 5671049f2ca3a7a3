import type { FileForm } from '@housecall/sdk';
import { useCallback, useEffect, useState } from 'react';

import { housecall, useRealtime } from '../app/client';

/** An object URL of that file while this is shown; tried again when the connection returns. */
export function useFileUrl(
  id: string,
  form: FileForm = 'whole',
): { url: string | null; failed: boolean; retry: () => void } {
  const [attempt, setAttempt] = useState(0);
  const [url, setUrl] = useState<string | null>(null);
  const [failed, setFailed] = useState(false);
  const online = useRealtime().status === 'online';
  const again = failed && online;

  useEffect(() => {
    if (again) setAttempt((count) => Math.min(count + 1, 5));
  }, [again]);

  useEffect(() => {
    let current = true;
    let held = false;
    setFailed(false);
    housecall.files.acquire(id, form).then(
      (found) => {
        held = true;
        if (current) setUrl(found);
        else housecall.files.release(id, form);
      },
      () => {
        if (current) setFailed(true);
      },
    );
    return () => {
      current = false;
      if (held) housecall.files.release(id, form);
    };
  }, [id, form, attempt]);

  return { url, failed, retry: useCallback(() => setAttempt((count) => count + 1), []) };
}

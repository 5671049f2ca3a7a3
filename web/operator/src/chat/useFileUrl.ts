import type { FileForm } from '@housecall/sdk';
import { useEffect, useState } from 'react';

import { useHouse } from '../api/house';

type Loaded = { id: string; url?: string; failed?: true };

/** An object URL of a file, fetched with the token; released with the component. */
export function useFileUrl(id: string | undefined, form: FileForm = 'whole'): { url: string | undefined; failed: boolean } {
  const { files } = useHouse();
  const [loaded, setLoaded] = useState<Loaded>();
  useEffect(() => {
    if (id === undefined) return undefined;
    let gone = false;
    let held = false;
    files.acquire(id, form).then(
      (url) => {
        if (gone) files.release(id, form);
        else {
          held = true;
          setLoaded({ id, url });
        }
      },
      () => {
        if (!gone) setLoaded({ id, failed: true });
      },
    );
    return () => {
      gone = true;
      if (held) files.release(id, form);
    };
  }, [files, id, form]);
  const current = loaded?.id === id ? loaded : undefined;
  return { url: current?.url, failed: current?.failed ?? false };
}

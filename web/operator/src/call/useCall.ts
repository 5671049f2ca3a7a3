import type { CallSnapshot } from '@housecall/sdk';

import { useHouse, useObservable } from '../api/house';

/** The one call of this browser, while it lives. */
export function useCall(): CallSnapshot | null {
  const call = useObservable(useHouse().calls);
  return call && call.phase !== 'ended' ? call : null;
}

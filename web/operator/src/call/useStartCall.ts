import type { CallMedia, CallSubject } from '@housecall/sdk';

import { useHouse, useObservable } from '../api/house';
import { useCall } from './useCall';

/** Starts calls; not `free` while one is on, or nobody could be reached. */
export function useStartCall() {
  const { calls, realtime } = useHouse();
  const { status } = useObservable(realtime);
  const call = useCall();
  const start = (subject: CallSubject, media: CallMedia) => void calls.start(subject, media);
  return { free: call === null && status === 'online', start };
}

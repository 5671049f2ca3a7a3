import { type PresenceStatus, reportActivity } from '@housecall/sdk';
import { useCallback, useEffect, useState } from 'react';

import { useHouse, useObservable } from '../api/house';
import { readPreference, writePreference } from './preferences';

export type ChosenStatus = Exclude<PresenceStatus, 'offline'>;
export const STATUSES: ChosenStatus[] = ['online', 'busy', 'away'];

function savedStatus(): ChosenStatus {
  const saved = readPreference('status');
  return saved === 'busy' || saved === 'away' ? saved : 'online';
}

/** The status the operator chose; told to the house again on each new connection. */
export function useOwnStatus(): [PresenceStatus, (status: ChosenStatus) => void] {
  const { realtime } = useHouse();
  const { status: link, welcome } = useObservable(realtime);
  const [chosen, setChosen] = useState(savedStatus);
  const connection = link === 'online' ? welcome?.connection : undefined;
  useEffect(() => {
    if (connection !== undefined) realtime.send('presence.set', { status: chosen });
  }, [connection, chosen, realtime]);
  useEffect(() => reportActivity(realtime), [realtime]);
  const choose = useCallback((status: ChosenStatus) => {
    writePreference('status', status);
    setChosen(status);
  }, []);
  return [connection === undefined ? 'offline' : chosen, choose];
}

import { type PresenceStatus, reportActivity } from '@housecall/sdk';
import { useCallback, useEffect, useState } from 'react';

import { useHouse, useMe, useObservable } from '../api/house';
import { usePresence } from '../api/presence';
import { readPreference, writePreference } from './preferences';

export type ChosenStatus = Exclude<PresenceStatus, 'offline'>;
export const STATUSES: ChosenStatus[] = ['online', 'busy', 'away'];

function savedStatus(): ChosenStatus {
  const saved = readPreference('status');
  return saved === 'busy' || saved === 'away' ? saved : 'online';
}

export type OwnStatus = {
  /** What the others see: busy in a call, away after a while without use of the device. */
  status: PresenceStatus;
  chosenStatus: ChosenStatus;
  chooseStatus: (status: ChosenStatus) => void;
};

/** The operator's own status. What was chosen is told to the house again on each new connection. */
export function useOwnStatus(): OwnStatus {
  const { realtime } = useHouse();
  const me = useMe();
  const { status: link, welcome } = useObservable(realtime);
  const derived = usePresence([me.id]).get(me.id);
  const [chosenStatus, setChosen] = useState(savedStatus);
  const connection = link === 'online' ? welcome?.connection : undefined;
  useEffect(() => {
    if (connection !== undefined) realtime.send('presence.set', { status: chosenStatus });
  }, [connection, chosenStatus, realtime]);
  useEffect(() => reportActivity(realtime), [realtime]);
  const chooseStatus = useCallback((status: ChosenStatus) => {
    writePreference('status', status);
    setChosen(status);
  }, []);
  return { status: shown(connection !== undefined, derived, chosenStatus), chosenStatus, chooseStatus };
}

/** Until the house has heard of this connection, it says that nobody is here. */
export function shown(connected: boolean, derived: PresenceStatus | undefined, chosen: ChosenStatus): PresenceStatus {
  if (!connected) return 'offline';
  return derived === undefined || derived === 'offline' ? chosen : derived;
}

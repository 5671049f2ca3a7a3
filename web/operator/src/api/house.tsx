/** The SDK's objects for components, and the one way to read its observables. */
import type { Housecall, Me, Observable, SessionState } from '@housecall/sdk';
import { createContext, type ReactNode, useCallback, useContext, useSyncExternalStore } from 'react';

const HouseContext = createContext<Housecall | null>(null);

export function HouseProvider({ house, children }: { house: Housecall; children: ReactNode }) {
  return <HouseContext.Provider value={house}>{children}</HouseContext.Provider>;
}

export function useHouse(): Housecall {
  const house = useContext(HouseContext);
  if (!house) throw new Error('useHouse needs a HouseProvider above it');
  return house;
}

export function useObservable<T>(observable: Observable<T>): T {
  const subscribe = useCallback(
    (listener: () => void) => observable.subscribe(listener),
    [observable],
  );
  return useSyncExternalStore(subscribe, () => observable.getSnapshot());
}

export function useSession(): SessionState {
  return useObservable(useHouse().session);
}

/** The signed-in operator; only below the sign-in. */
export function useMe(): Me {
  const session = useSession();
  if (session.status !== 'signed_in') throw new Error('useMe is used above the sign-in');
  return session.me;
}

import type { PresenceStatus } from '@housecall/sdk';
import { createContext, useContext } from 'react';

import type { ChosenStatus } from './useOwnStatus';

type Frame = {
  openMenu: () => void;
  status: PresenceStatus;
  chooseStatus: (status: ChosenStatus) => void;
};

export const FrameContext = createContext<Frame>({
  openMenu: () => undefined,
  status: 'offline',
  chooseStatus: () => undefined,
});

export function useFrame(): Frame {
  return useContext(FrameContext);
}

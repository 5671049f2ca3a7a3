import { createContext, useContext } from 'react';

import type { OwnStatus } from './useOwnStatus';

type Frame = OwnStatus & { openMenu: () => void };

export const FrameContext = createContext<Frame>({
  openMenu: () => undefined,
  status: 'offline',
  chosenStatus: 'online',
  chooseStatus: () => undefined,
});

export function useFrame(): Frame {
  return useContext(FrameContext);
}

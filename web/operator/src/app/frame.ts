import { createContext, useContext } from 'react';

type Frame = { openMenu: () => void };

export const FrameContext = createContext<Frame>({ openMenu: () => undefined });

export function useFrame(): Frame {
  return useContext(FrameContext);
}

/** A long press or a right click: what opens the menu of a message. */
import { useEffect, useRef, type MouseEvent, type PointerEvent, type TouchEvent } from 'react';

const LONG_MS = 450;
/** Further than this, and it is a scroll. */
const SLOP_PX = 10;

interface Handlers {
  onPointerDown?: (event: PointerEvent) => void;
  onPointerMove?: (event: PointerEvent) => void;
  onPointerUp?: () => void;
  onPointerCancel?: () => void;
  onTouchEnd?: (event: TouchEvent) => void;
  onContextMenu?: (event: MouseEvent) => void;
}

export function useLongPress(onPress: (() => void) | undefined): Handlers {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const start = useRef({ x: 0, y: 0 });
  const opened = useRef(false);
  useEffect(() => () => clearTimeout(timer.current), []);
  if (!onPress) return {};
  const cancel = () => clearTimeout(timer.current);
  return {
    onPointerDown: (event) => {
      if (event.pointerType === 'mouse') return;
      start.current = { x: event.clientX, y: event.clientY };
      cancel();
      opened.current = false;
      timer.current = setTimeout(() => {
        opened.current = true;
        navigator.vibrate?.(10);
        onPress();
      }, LONG_MS);
    },
    onPointerMove: (event) => {
      const { x, y } = start.current;
      if (Math.hypot(event.clientX - x, event.clientY - y) > SLOP_PX) cancel();
    },
    onPointerUp: cancel,
    onPointerCancel: cancel,
    // The finger's way up would be a press on what has opened beneath it.
    onTouchEnd: (event) => {
      if (opened.current && event.cancelable) event.preventDefault();
    },
    onContextMenu: (event) => {
      // The browser's own menu stays where text is selected.
      if (globalThis.getSelection()?.toString()) return;
      event.preventDefault();
      cancel();
      onPress();
    },
  };
}

/** Keeps the newest at the bottom unless the reader scrolled up; keeps the place when older rows come in above. */
import { useCallback, useEffect, useLayoutEffect, useRef, useState, type RefObject } from 'react';

const NEAR_BOTTOM_PX = 80;
const NEAR_TOP_PX = 240;
// What was looked for is told apart for a moment.
const FLASH = 'color-mix(in srgb, var(--hc-brand) 20%, transparent)';
const FLASH_MS = 1_800;

interface Scroll {
  box: RefObject<HTMLDivElement | null>;
  content: RefObject<HTMLDivElement | null>;
  atBottom: boolean;
  onScroll: () => void;
  toBottom: () => void;
  /** Brings a message into the middle; false when it is not in the list. */
  show: (seq: number) => boolean;
}

export function useScroll(firstKey: string | undefined, onTop: () => void): Scroll {
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const stick = useRef(true);
  const height = useRef(0);
  const lastTop = useRef(0);
  const top = useRef(firstKey);
  const [atBottom, setAtBottom] = useState(true);

  const toBottom = useCallback(() => {
    stick.current = true;
    setAtBottom(true);
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, []);

  const show = useCallback((seq: number) => {
    const element = box.current;
    const row = element?.querySelector(`[data-seq="${seq}"]`);
    if (!element || !row) return false;
    row.scrollIntoView({ block: 'center' });
    // Where everything fits, or it is among the last, nothing scrolls and nothing is let go.
    stick.current = element.scrollHeight - element.clientHeight - element.scrollTop < NEAR_BOTTOM_PX;
    setAtBottom(stick.current);
    row.animate([{ backgroundColor: FLASH }, { backgroundColor: 'transparent' }], { duration: FLASH_MS, easing: 'ease-in' });
    return true;
  }, []);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const grew = element.scrollHeight - height.current;
    if (!stick.current && top.current !== firstKey && grew > 0) element.scrollTop += grew;
    height.current = element.scrollHeight;
    top.current = firstKey;
  }, [firstKey]);

  // Photos, the keyboard and new rows change the height after the fact.
  useEffect(() => {
    const element = box.current;
    if (!element || !content.current) return undefined;
    const observer = new ResizeObserver(() => {
      height.current = element.scrollHeight;
      if (stick.current) element.scrollTop = element.scrollHeight;
    });
    observer.observe(element);
    observer.observe(content.current);
    return () => observer.disconnect();
  }, []);

  const onScroll = useCallback(() => {
    const element = box.current;
    if (!element || element.clientHeight === 0) return;
    const below = element.scrollHeight - element.clientHeight - element.scrollTop;
    // Only the reader's own way up lets go of the bottom; rows that grow below do not.
    if (below < NEAR_BOTTOM_PX) stick.current = true;
    else if (element.scrollTop < lastTop.current) stick.current = false;
    lastTop.current = element.scrollTop;
    setAtBottom(stick.current);
    if (element.scrollTop < NEAR_TOP_PX) onTop();
  }, [onTop]);

  return { box, content, atBottom, onScroll, toBottom, show };
}

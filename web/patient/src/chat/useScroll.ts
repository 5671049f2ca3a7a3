/** Keeps the newest at the bottom unless the reader scrolled up; keeps the place when older rows come in above. */
import { useCallback, useEffect, useLayoutEffect, useRef, useState, type RefObject } from 'react';

const NEAR_BOTTOM_PX = 80;
const NEAR_TOP_PX = 240;

interface Scroll {
  box: RefObject<HTMLDivElement | null>;
  content: RefObject<HTMLDivElement | null>;
  atBottom: boolean;
  onScroll: () => void;
  toBottom: () => void;
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

  return { box, content, atBottom, onScroll, toBottom };
}

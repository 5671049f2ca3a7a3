import type { ChatItem, Conversation, ConversationSnapshot } from '@housecall/sdk';
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';

// Within this distance the reader is "at the bottom" and stays there.
const NEAR_PX = 48;
// Earlier messages are fetched before the reader meets the top.
const TOP_PX = 240;

// What was looked for is told apart for a moment.
const FLASH = 'color-mix(in srgb, var(--hc-brand) 20%, transparent)';
const FLASH_MS = 1800;

/**
 * Newest at the bottom, and it stays there unless the reader scrolled up;
 * earlier messages come in above without moving what is read.
 */
export function useThreadScroll(
  conversation: Conversation,
  snapshot: ConversationSnapshot,
  items: readonly ChatItem[],
) {
  const box = useRef<HTMLDivElement>(null);
  const [atBottom, setAtBottom] = useState(true);
  const sticks = useRef(true);
  const before = useRef<{ first: string | undefined; height: number }>({ first: undefined, height: 0 });

  const toNewest = useCallback(() => {
    const element = box.current;
    if (!element) return;
    sticks.current = true;
    element.scrollTop = element.scrollHeight;
  }, []);

  /** Brings a message into the middle; false when it is not in the list. */
  const show = useCallback((seq: number): boolean => {
    const element = box.current;
    const row = element?.querySelector(`[data-seq="${seq}"]`);
    if (!element || !row) return false;
    row.scrollIntoView({ block: 'center' });
    // Where everything fits, or it is among the last, nothing scrolls and nothing is let go.
    sticks.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX;
    setAtBottom(sticks.current);
    row.animate([{ backgroundColor: FLASH }, { backgroundColor: 'transparent' }], { duration: FLASH_MS, easing: 'ease-in' });
    return true;
  }, []);

  const onScroll = useCallback(() => {
    const element = box.current;
    if (!element) return;
    const near = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX;
    sticks.current = near;
    setAtBottom(near);
    const { hasOlder, loadingOlder } = conversation.getSnapshot();
    if (element.scrollTop < TOP_PX && hasOlder && !loadingOlder) void conversation.loadOlder();
  }, [conversation]);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const first = items[0]?.key;
    const newest = items.at(-1);
    const own = newest?.own === true && newest.seq === null;
    if (sticks.current || own) element.scrollTop = element.scrollHeight;
    else if (before.current.first !== first) {
      element.scrollTop += element.scrollHeight - before.current.height;
    }
    before.current = { first, height: element.scrollHeight };
  }, [items, snapshot.typing]);

  // A growing composer or a turned screen must not hide the last words.
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => {
      if (sticks.current) element.scrollTop = element.scrollHeight;
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  return { box, atBottom, toNewest, show, onScroll };
}

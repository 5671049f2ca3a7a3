import type { ChatItem } from '@housecall/sdk';
import { type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { createPortal } from 'react-dom';
import { useTranslation } from 'react-i18next';

import { Icon } from '../ui/Icon';

import './message-menu.css';

/** Where a menu was asked for, and of which message. */
export type MenuPlace = { item: ChatItem; x: number; y: number; from: HTMLElement | null };

export type MenuEntry = { name: string; icon: string[]; words: string; run: () => void; bad?: boolean };

type Props = { place: MenuPlace; entries: readonly MenuEntry[]; hint: string | undefined; close: () => void };

const MARGIN_PX = 8;

/** Keeps the menu inside the window, at the pointer if it can. */
function useFitting({ x, y }: MenuPlace) {
  const box = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState({ left: x, top: y });
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const { offsetWidth: width, offsetHeight: height } = element;
    setAt({
      left: Math.max(MARGIN_PX, Math.min(x, window.innerWidth - width - MARGIN_PX)),
      top: Math.max(MARGIN_PX, y + height + MARGIN_PX > window.innerHeight ? y - height : y),
    });
    element.querySelector('button')?.focus();
  }, [x, y]);
  return { box, at };
}

/** What can be done with one message. Arrows go through it, Escape and a press outside close it. */
export function MessageMenu({ place, entries, hint, close }: Props) {
  const { t } = useTranslation();
  const { box, at } = useFitting(place);
  useEffect(() => {
    const onPress = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) close();
    };
    // In the capture phase, so that the press that closes it is seen wherever it is.
    window.addEventListener('pointerdown', onPress, true);
    window.addEventListener('wheel', onPress, { capture: true, passive: true });
    window.addEventListener('resize', close);
    return () => {
      window.removeEventListener('pointerdown', onPress, true);
      window.removeEventListener('wheel', onPress, true);
      window.removeEventListener('resize', close);
    };
  }, [box, close]);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape' || event.key === 'Tab') {
      event.preventDefault();
      event.stopPropagation();
      close();
      place.from?.focus();
      return;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const buttons = [...(box.current?.querySelectorAll('button') ?? [])];
    const now = buttons.indexOf(document.activeElement as HTMLButtonElement);
    buttons[(now + step + buttons.length) % buttons.length]?.focus();
  };
  return createPortal(
    <div ref={box} className="hc-message-menu" style={at} data-testid="message-actions" onKeyDown={onKeyDown}>
      <div role="menu" aria-label={t('chat.menu')}>
        {entries.map(({ name, icon, words, run, bad }) => (
          <button
            key={name} type="button" role="menuitem" className={bad ? 'is-bad' : ''} data-testid={`message-${name}`}
            onClick={() => { close(); run(); }}
          >
            <Icon icon={icon} size={18} />
            {words}
          </button>
        ))}
      </div>
      {hint && <p>{hint}</p>}
    </div>,
    // Nothing outside of an element that fills the screen is seen.
    document.fullscreenElement ?? document.body,
  );
}

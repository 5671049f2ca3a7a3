import { type PointerEvent, type UIEvent, useRef, useState } from 'react';

import { type HeldRow, holdRows } from './heldRows';

/** Rows that keep still while the list is pointed at or scrolled. */
export function useHeldRows<T extends { id: string }>(fresh: readonly T[], holds: boolean) {
  const box = useRef<HTMLUListElement>(null);
  const [pointed, setPointed] = useState(false);
  const [scrolled, setScrolled] = useState(false);
  const [seen, setSeen] = useState<{ fresh: readonly T[]; rows: HeldRow<T>[]; arrived: number }>(
    { fresh: [], rows: [], arrived: 0 },
  );
  const held = holds && (pointed || scrolled);
  const [wasHeld, setWasHeld] = useState(held);
  let shown = seen;
  // State from the previous render, as React's documentation does it: what is
  // shown depends on what was shown.
  const same = seen.fresh.length === fresh.length && seen.fresh.every((row, at) => row === fresh[at]);
  if (!same || held !== wasHeld) {
    shown = { fresh, ...holdRows(seen.rows, fresh, held && wasHeld) };
    setSeen(shown);
    setWasHeld(held);
  }
  const release = () => {
    setSeen({ fresh, ...holdRows([], fresh, false) });
    if (box.current) box.current.scrollTop = 0;
  };
  const handlers = {
    onPointerEnter: (event: PointerEvent) => setPointed(event.pointerType === 'mouse'),
    onPointerLeave: () => setPointed(false),
    onScroll: (event: UIEvent) => setScrolled(event.currentTarget.scrollTop > 8),
  };
  return { rows: shown.rows, arrived: shown.arrived, box, handlers, release };
}

import type { ChatItem, ConsultationSummary } from '@housecall/sdk';
import { useEffect, useState } from 'react';

import { useHouse, useObservable } from '../api/house';
import { holderOf } from '../api/problems';
import { useGone } from '../api/queries';

// A button is not taken from under a pointer that is about to press it: the
// press then learns who was faster.
const PATIENCE_MS = 2000;

/** Who took the consultation, by the conversation's own record. */
export function claimedBy(items: readonly ChatItem[], consultation: string): string | undefined {
  for (const { body } of [...items].reverse()) {
    if (body.kind !== 'system' || body.event.event !== 'consultation_claimed') continue;
    if (body.event.consultation === consultation) return body.event.operator_name;
  }
  return undefined;
}

/** Set when somebody else has the consultation; the name when it is known. */
export function useLost(row: ConsultationSummary, refusal: unknown): { holder: string | undefined } | undefined {
  const gone = useGone(row.id) && row.state === 'waiting';
  const { chat } = useHouse();
  const { items } = useObservable(chat.conversation(row.conversation));
  const [settled, setSettled] = useState(false);
  useEffect(() => {
    if (!gone) return undefined;
    const timer = window.setTimeout(() => setSettled(true), PATIENCE_MS);
    return () => {
      window.clearTimeout(timer);
      setSettled(false);
    };
  }, [gone]);
  const refused = holderOf(refusal);
  if (refused) return { holder: refused.name };
  return gone && settled ? { holder: claimedBy(items, row.id) } : undefined;
}

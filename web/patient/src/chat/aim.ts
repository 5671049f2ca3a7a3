/** What the composer is about to do other than to write something new. */
import type { ChatItem, Conversation, ConversationSnapshot } from '@housecall/sdk';
import { useState } from 'react';

export interface Aim {
  kind: 'reply' | 'edit';
  item: ChatItem;
}

/** What it says that can be copied or changed. */
export function wordsOf({ body }: ChatItem): string {
  if (body.kind === 'text') return body.text;
  return body.kind === 'file' || body.kind === 'pending_file' ? body.caption : '';
}

/** What is aimed at, as it is now; nothing once it cannot be answered or changed any more. */
export function useAim(store: Conversation, snapshot: ConversationSnapshot) {
  const [aim, setAim] = useState<Aim | null>(null);
  const item = aim && snapshot.items.find(({ key }) => key === aim.item.key);
  const lives = item && (aim.kind === 'reply' ? store.canReply(item) : store.canChange(item));
  return [lives ? { kind: aim.kind, item } : null, setAim] as const;
}

import type { Conversation, ConversationSnapshot } from '@housecall/sdk';
import { useState } from 'react';

import type { Aim } from './useMessageMenu';

/** What the composer is aimed at, as it is now; nothing once it cannot be answered or changed any more. */
export function useAim(conversation: Conversation, snapshot: ConversationSnapshot, writable: boolean) {
  const [aim, setAim] = useState<Aim>();
  const item = aim && snapshot.items.find(({ key }) => key === aim.item.key);
  const lives = item && writable && (aim.kind === 'reply' ? conversation.canReply(item) : conversation.canChange(item));
  return [lives ? { kind: aim.kind, item } : undefined, setAim] as const;
}

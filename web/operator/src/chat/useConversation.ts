import type { Conversation, ConversationSnapshot } from '@housecall/sdk';
import { useEffect, useMemo } from 'react';

import { useHouse, useObservable } from '../api/house';

/** A conversation, subscribed to for as long as the component is shown. */
export function useConversation(id: string): [Conversation, ConversationSnapshot] {
  const { chat } = useHouse();
  const conversation = useMemo(() => chat.conversation(id), [chat, id]);
  const snapshot = useObservable(conversation);
  useEffect(() => conversation.open(), [conversation]);
  return [conversation, snapshot];
}

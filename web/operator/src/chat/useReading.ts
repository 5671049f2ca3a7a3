import type { Conversation, ConversationSnapshot } from '@housecall/sdk';
import { useEffect } from 'react';

/** Marks what is shown as read, when somebody is really there to read it. */
export function useReading(
  conversation: Conversation,
  snapshot: ConversationSnapshot,
  reading: boolean,
): void {
  const { headSeq, readSeq, status } = snapshot;
  useEffect(() => {
    if (!reading || status !== 'ready' || readSeq >= headSeq) return undefined;
    const mark = () => {
      if (document.visibilityState === 'visible' && document.hasFocus()) conversation.markRead();
    };
    mark();
    window.addEventListener('focus', mark);
    document.addEventListener('visibilitychange', mark);
    return () => {
      window.removeEventListener('focus', mark);
      document.removeEventListener('visibilitychange', mark);
    };
  }, [conversation, reading, headSeq, readSeq, status]);
}

/** The one client of this app, and the hooks that read it. */
import { createHousecall, type CallSnapshot, type ConversationSnapshot, type Me, type RealtimeState, type SessionState } from '@housecall/sdk';
import { useEffect, useMemo, useState, useSyncExternalStore } from 'react';

export const housecall = createHousecall({ kind: 'patient', cacheMessages: true });

export function useSession(): SessionState {
  const { session } = housecall;
  return useSyncExternalStore(session.subscribe, session.getSnapshot);
}

/** Of a signed-in patient; pages behind the sign-in only. */
export function useMe(): Me {
  const state = useSession();
  if (state.status !== 'signed_in') throw new Error('this page needs a signed-in patient');
  return state.me;
}

export function useRealtime(): RealtimeState {
  const { realtime } = housecall;
  return useSyncExternalStore(realtime.subscribe, realtime.getSnapshot);
}

export function useCall(): CallSnapshot | null {
  const { calls } = housecall;
  return useSyncExternalStore(calls.subscribe, calls.getSnapshot);
}

/** The patient's one conversation, held open while the app runs. */
export function useConversation(id: string): ConversationSnapshot {
  const conversation = useMemo(() => housecall.chat.conversation(id), [id]);
  useEffect(() => conversation.open(), [conversation]);
  return useSyncExternalStore(conversation.subscribe, conversation.getSnapshot);
}

/** Whether that operator can be reached now; null while it is not known. */
export function usePresence(person: string | null): boolean | null {
  const [online, setOnline] = useState<boolean | null>(null);
  const { status } = useRealtime();
  useEffect(() => {
    setOnline(null);
    if (!person || status !== 'online') return undefined;
    const stop = housecall.realtime.on('presence', ({ people }) => {
      const found = people.find((entry) => entry.person === person);
      if (found) setOnline(found.status !== 'offline');
    });
    housecall.realtime.send('presence.watch', { people: [person] });
    return stop;
  }, [person, status]);
  return online;
}

/** Re-renders at this interval: ages of things, clocks of calls. */
export function useNow(intervalMs: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), intervalMs);
    return () => clearInterval(timer);
  }, [intervalMs]);
  return now;
}

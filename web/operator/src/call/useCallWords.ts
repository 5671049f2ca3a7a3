import { type CallSnapshot, formatClock } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

import { useNow } from '../ui/useNow';

/** What the call is doing, in a word or as its clock. */
export function useCallWords(call: CallSnapshot): { state: string; clock: string | undefined } {
  const { t } = useTranslation();
  const now = useNow(1000);
  const { acceptedAt } = call;
  const clock = acceptedAt === null
    ? undefined
    : formatClock(Math.max(0, Math.floor((now - acceptedAt) / 1000)));
  if (call.reconnecting) return { state: t('call.reconnecting'), clock };
  if (call.peer?.reconnecting) return { state: t('call.peerReconnecting', { name: call.peer.name }), clock };
  if (call.phase === 'starting') return { state: t('call.calling'), clock };
  if (call.phase === 'outgoing') return { state: t('call.ringing'), clock };
  if (call.phase === 'connecting') return { state: t('call.connecting'), clock };
  return { state: '', clock };
}

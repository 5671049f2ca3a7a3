import { type ReactNode, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useLocation } from 'react-router';

import { useHouse, useObservable } from '../api/house';
import { useToast } from '../app/toasts';
import { CallMini } from './CallMini';
import { CallStage } from './CallStage';
import { IncomingCall } from './IncomingCall';

/** Says once how a call ended, then clears it. */
function useEnding(): void {
  const { t } = useTranslation();
  const { calls } = useHouse();
  const call = useObservable(calls);
  const say = useToast();
  const ended = call?.phase === 'ended' ? call : null;
  useEffect(() => {
    if (!ended) return;
    const { ended: ending, problem, peer, role, acceptedAt } = ended;
    const missed = (role === 'callee' || role === 'guest') && acceptedAt === null;
    if (ending === 'not_started' && problem) say(t(`call.problem.${problem}`), 'bad');
    else if (missed && (ending === 'no_answer' || ending === 'cancelled')) {
      say(t('call.missed', { name: peer?.name || t('person.noName') }));
    } else if (ending && ending !== 'answered_elsewhere' && !missed) {
      say(t(`call.ended.${ending}`), ending === 'failed' || ending === 'connection_lost' ? 'bad' : 'plain');
    }
    calls.dismiss();
  }, [ended, calls, say, t]);
}

/**
 * Holds the call above the pages: open it takes their place, with the chat
 * beside the picture; going to another page makes it a small window.
 */
export function CallHost({ children }: { children: ReactNode }) {
  const { calls } = useHouse();
  const call = useObservable(calls);
  const { pathname } = useLocation();
  const [small, setSmall] = useState(false);
  const [place, setPlace] = useState(pathname);
  const [lastPhase, setLastPhase] = useState(call?.phase);
  useEnding();
  if (place !== pathname) {
    setPlace(pathname);
    setSmall(true);
  }
  if (lastPhase !== call?.phase) {
    setLastPhase(call?.phase);
    // A call that just began, or was just answered, is what the operator wants to see.
    if (call && (lastPhase === undefined || lastPhase === 'ended' || lastPhase === 'incoming')) setSmall(false);
  }
  const running = call !== null && call.phase !== 'ended' && call.phase !== 'incoming';
  return (
    <>
      {running && !small ? <CallStage call={call} minimise={() => setSmall(true)} /> : children}
      {running && small && <CallMini call={call} expand={() => setSmall(false)} />}
      {call?.phase === 'incoming' && <IncomingCall call={call} />}
    </>
  );
}

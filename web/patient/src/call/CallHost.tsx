import { useEffect } from 'react';

import { housecall, useCall } from '../app/client';
import { CallScreen } from './CallScreen';
import { Incoming } from './Incoming';
import './call.css';

/** How long the end of a call stays on the screen. */
const ENDED_MS = 3_000;

/** The call over everything else, whatever page is open. */
export function CallHost() {
  const call = useCall();
  const ended = call?.phase === 'ended';
  const explains = call?.problem !== null || call?.failure !== null;
  useEffect(() => {
    if (!ended) return undefined;
    const timer = setTimeout(() => housecall.calls.dismiss(), explains ? ENDED_MS * 3 : ENDED_MS);
    return () => clearTimeout(timer);
  }, [ended, explains]);
  if (!call) return null;
  return call.phase === 'incoming' ? <Incoming call={call} /> : <CallScreen call={call} />;
}

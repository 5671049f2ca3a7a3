import type { CallSnapshot } from '@housecall/sdk';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useHouse } from '../api/house';
import { Avatar } from '../ui/Avatar';
import { Icon } from '../ui/Icon';
import { iconExpand, iconMicrophone } from '../ui/icons';
import { HangUpIcon } from './HangUpIcon';
import { useCallWords } from './useCallWords';
import { Video } from './Video';

import './mini.css';

/** The call as a small window over whatever page the operator went to. */
export function CallMini({ call, expand }: { call: CallSnapshot; expand: () => void }) {
  const { t } = useTranslation();
  const { calls } = useHouse();
  const [observe] = useState(() => (element: HTMLVideoElement) => calls.observeRemoteVideo(element));
  const words = useCallWords(call);
  const name = call.peer?.name || t('call.calling');
  const sharing = call.people.find((person) => person.screen !== null);
  const [stream, track] = sharing?.screen
    ? [sharing.screen, { person: sharing.person, source: 'screen' as const }]
    : [call.remote.camera, call.peer ? { person: call.peer.person, source: 'camera' as const } : undefined];
  const { microphone } = call.media;
  return (
    <section className="hc-mini" aria-label={t('call.label')} data-testid="call" data-phase={call.phase}>
      <button type="button" className="hc-mini-picture" data-testid="call-expand" aria-label={t('call.expand')} title={t('call.expand')} onClick={expand}>
        {stream
          ? <Video stream={stream} label={name} testId="remote-video" observe={observe} track={track} />
          : <Avatar id={call.peer?.person ?? ''} name={name} size={64} />}
        <span className="hc-mini-expand"><Icon icon={iconExpand} size={16} /></span>
      </button>
      <div className="hc-mini-line">
        <span>
          <strong>{name}</strong>
          <small className="hc-figures">{words.clock ?? words.state}</small>
        </span>
        {call.role !== 'listener' && (
          <button type="button" className={`hc-round is-small${microphone ? '' : ' is-off'}`} data-testid="call-mute" disabled={!call.allowed.microphone} aria-label={t(microphone ? 'call.mute' : 'call.unmute')} onClick={() => void calls.setMicrophone(!microphone)}>
            <Icon icon={iconMicrophone} size={18} off={!microphone} />
          </button>
        )}
        <button type="button" className="hc-round is-small is-hang-up" data-testid="call-hangup" aria-label={t('call.hangup')} onClick={() => void calls.hangUp()}>
          <HangUpIcon size={18} />
        </button>
      </div>
    </section>
  );
}

import type { CallPerson, CallSnapshot } from '@housecall/sdk';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useHouse } from '../api/house';
import { Avatar } from '../ui/Avatar';
import { Video } from './Video';

/** The picture of a call of two: the other side edge to edge, their screen before their camera. */
export function Picture({ call, person, name }: { call: CallSnapshot; person: CallPerson | undefined; name: string }) {
  const { t } = useTranslation();
  const { calls } = useHouse();
  const [observe] = useState(() => (element: HTMLVideoElement) => calls.observeRemoteVideo(element));
  const { camera = null, screen = null, person: id = '' } = person ?? {};
  // The path is open while it still rings: until the answer there is a face, not a black frame.
  const answered = call.phase === 'active' || call.phase === 'connecting';
  const paused = person?.paused.camera === 'bandwidth';
  const seen = screen !== null || (answered && camera !== null && person?.media.camera === true && !paused);
  return (
    <>
      {screen && <Video stream={screen} label={t('call.screenOf', { name })} fit="contain" testId="remote-screen" track={{ person: id, source: 'screen' }} />}
      {camera && (
        <div className={screen ? 'hc-stage-inset' : 'hc-stage-full'}>
          <Video stream={camera} label={name} fit={screen ? 'cover' : 'contain'} testId="remote-video" observe={observe} track={{ person: id, source: 'camera' }} />
        </div>
      )}
      {!seen && (
        <div className="hc-stage-face">
          <span className={call.phase === 'outgoing' ? 'is-ringing' : ''}>
            <Avatar id={id || (call.peer?.person ?? '')} name={name} size={128} />
          </span>
          {call.phase === 'active' && call.wantsVideo && <p>{t(paused ? 'call.pausedForNetwork' : 'call.cameraOff')}</p>}
        </div>
      )}
    </>
  );
}

import type { CallSnapshot } from '@housecall/sdk';
import { useCallback, useRef, useState, type MouseEvent } from 'react';
import { useTranslation } from 'react-i18next';

import { housecall, useMe } from '../app/client';
import { Talk } from '../chat/Talk';
import { Avatar } from '../ui/Avatar';
import { Asked } from './Asked';
import { CallHead } from './CallHead';
import { Controls } from './Controls';
import { Grid } from './Grid';
import { Notice } from './Notice';
import { OwnTile } from './OwnTile';
import { Picture } from './Picture';
import { stateText } from './text';
import { useFading } from './useFading';

/** The call: picture edge to edge, own tile, controls that fade. */
export function CallScreen({ call }: { call: CallSnapshot }) {
  const { t } = useTranslation();
  const { conversation } = useMe();
  const [chatOpen, setChatOpen] = useState(false);
  const picture = remotePicture(call);
  const talking = call.phase === 'active' || call.phase === 'connecting';
  const group = talking && call.people.length > 1;
  const fading = useFading(talking && !group && picture !== null && !chatOpen);
  const blind = useRef(false);
  const handleDown = () => {
    blind.current = fading.isHidden();
    fading.wake();
  };
  // A touch on a control that nobody sees only shows it.
  const handleClick = (event: MouseEvent) => {
    if (blind.current) event.stopPropagation();
    blind.current = false;
  };
  return (
    <div
      className={`call ${chatOpen ? 'has-chat' : ''} ${fading.hidden ? 'is-quiet' : ''}`}
      role="dialog"
      aria-modal="true"
      aria-label={t('call.title')}
      data-testid="call-screen"
      data-phase={call.phase}
      onPointerDownCapture={handleDown}
      onClickCapture={handleClick}
      onPointerMove={fading.wake}
      onKeyDown={fading.wake}
    >
      <div className="call-stage">
        {group ? <Grid call={call} /> : <Remote call={call} />}
        {call.local.camera && talking && !group && <OwnTile stream={call.local.camera} mirrored={call.facing === 'user'} />}
        <CallHead call={call} />
        {!picture && !group && <Person call={call} />}
        <div className="call-bottom">
          {call.asked && <Asked source={call.asked} />}
          <Notice call={call} />
          {call.phase !== 'ended' && <Controls call={call} chatOpen={chatOpen} onChat={() => setChatOpen(!chatOpen)} />}
        </div>
      </div>
      {chatOpen && conversation && (
        <div className="call-chat">
          <Talk conversation={conversation} shown />
        </div>
      )}
    </div>
  );
}

/** What to show large: the screen of the other side, else their camera. */
function remotePicture(call: CallSnapshot): 'screen' | 'camera' | null {
  if (call.phase !== 'active' && call.phase !== 'connecting') return null;
  if (call.peer?.media.screen && call.remote.screen) return 'screen';
  const paused = call.people.find(({ person }) => person === call.peer?.person)?.paused.camera === 'bandwidth';
  return call.peer?.media.camera && call.remote.camera && !paused ? 'camera' : null;
}

function Remote({ call }: { call: CallSnapshot }) {
  const observe = useCallback((element: HTMLVideoElement) => housecall.calls.observeRemoteVideo(element), []);
  const large = remotePicture(call);
  const { camera, screen } = call.remote;
  const person = call.peer?.person ?? '';
  // The camera's element stays through the whole call, so that its first frame is not delayed by making one.
  return (
    <>
      {camera && call.phase !== 'ended' && (
        <div className={large === 'camera' ? 'remote' : large === 'screen' && call.peer?.media.camera ? 'remote is-small' : 'remote is-hidden'}>
          <Picture stream={camera} testId="remote-video" track={{ person, source: 'camera' }} onElement={observe} />
        </div>
      )}
      {large === 'screen' && screen && (
        <div className="remote is-screen">
          <Picture stream={screen} contain testId="remote-screen" track={{ person, source: 'screen' }} />
        </div>
      )}
    </>
  );
}

/** Before a picture comes, or without one. */
function Person({ call }: { call: CallSnapshot }) {
  const { t } = useTranslation();
  const state = stateText(call, t);
  return (
    <div className="call-person">
      {call.peer && <Avatar id={call.peer.person} name={call.peer.name} size={128} />}
      {state && (
        <p role="status" data-testid="call-state">
          {state}
        </p>
      )}
    </div>
  );
}

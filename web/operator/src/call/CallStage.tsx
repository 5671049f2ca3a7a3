import type { CallSnapshot } from '@housecall/sdk';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useHouse } from '../api/house';
import { Avatar } from '../ui/Avatar';
import { Icon } from '../ui/Icon';
import { iconMicrophone, iconMinimise } from '../ui/icons';
import { useMediaQuery } from '../ui/useMediaQuery';
import { CallChat } from './CallChat';
import { CallControls } from './CallControls';
import { OwnTile } from './OwnTile';
import { Quality } from './Quality';
import { useCallWords } from './useCallWords';
import { useFullscreen } from './useFullscreen';
import { useIdle } from './useIdle';
import { Video } from './Video';

import './stage.css';

type Props = { call: CallSnapshot; minimise: () => void };

// Controls leave the picture alone after this long without a touch.
const IDLE_MS = 4000;

function Picture({ call, name }: { call: CallSnapshot; name: string }) {
  const { t } = useTranslation();
  const { calls } = useHouse();
  const [observe] = useState(() => (element: HTMLVideoElement) => calls.observeRemoteVideo(element));
  const { camera, screen } = call.remote;
  // The path is open while it still rings: until the answer there is a face, not a black frame.
  const answered = call.phase === 'active' || call.phase === 'connecting';
  const seen = screen !== null || (answered && camera !== null && call.peer?.media.camera === true);
  return (
    <>
      {screen && <Video stream={screen} label={t('call.screenOf', { name })} fit="contain" testId="remote-screen" />}
      {camera && (
        <div className={screen ? 'hc-stage-inset' : 'hc-stage-full'}>
          <Video stream={camera} label={name} fit={screen ? 'cover' : 'contain'} testId="remote-video" observe={observe} />
        </div>
      )}
      {!seen && (
        <div className="hc-stage-face">
          <span className={call.phase === 'outgoing' ? 'is-ringing' : ''}>
            <Avatar id={call.peer?.person ?? ''} name={name} size={128} />
          </span>
          {call.phase === 'active' && call.wantsVideo && <p>{t('call.cameraOff')}</p>}
        </div>
      )}
    </>
  );
}

function Head({ call, name, minimise }: Props & { name: string }) {
  const { t } = useTranslation();
  const words = useCallWords(call);
  return (
    <header className="hc-stage-head">
      <div>
        <h1>{name}</h1>
        <p role="status" data-testid="call-state" data-phase={call.phase}>{words.state}</p>
      </div>
      {call.peer && !call.peer.media.microphone && call.phase === 'active' && (
        <span className="hc-quality" title={t('call.micOff')}><Icon icon={iconMicrophone} size={14} off /><span className="visually-hidden">{t('call.micOff')}</span></span>
      )}
      {call.phase === 'active' && <Quality level={call.quality} />}
      {words.clock && <span className="hc-quality hc-figures" data-testid="call-clock">{words.clock}</span>}
      <button type="button" className="hc-round is-small" data-testid="call-minimise" aria-label={t('call.minimise')} title={t('call.minimise')} onClick={minimise}>
        <Icon icon={iconMinimise} size={18} />
      </button>
    </header>
  );
}

/** The call in the place of the page: picture, own tile, controls, and the chat beside. */
export function CallStage({ call, minimise }: Props) {
  const { t } = useTranslation();
  const { calls } = useHouse();
  const roomy = useMediaQuery('(min-width: 992px)');
  const [chat, setChat] = useState(roomy);
  const stage = useRef<HTMLDivElement>(null);
  const fullscreen = useFullscreen(stage);
  const [idle, wake] = useIdle(IDLE_MS);
  const name = call.peer?.name || t('call.calling');
  const bare = idle && call.remote.camera !== null && call.phase === 'active';
  return (
    <div ref={stage} className="hc-call" data-testid="call" data-phase={call.phase}>
      <section className={`hc-stage${bare ? ' is-bare' : ''}`} aria-label={t('call.label')} onPointerMove={wake} onPointerDown={wake} onKeyDown={wake} onFocus={wake}>
        <Picture call={call} name={name} />
        <div className="hc-stage-shade" />
        <Head call={call} name={name} minimise={minimise} />
        {call.local.camera && <OwnTile stream={call.local.camera} />}
        <div className="hc-stage-notes">
          {call.soundBlocked && (
            <button type="button" className="hc-stage-note" onClick={() => calls.unblockSound()}>{t('call.unblock')}</button>
          )}
          {call.problem && <p className="hc-stage-note" role="status">{t(`call.problem.${call.problem}`)}</p>}
          {call.media.screen && <p className="hc-stage-note">{t('call.yourScreen')}</p>}
          {call.phase === 'active' && call.quality === 'poor' && <p className="hc-stage-note">{t('call.poorOwn')}</p>}
        </div>
        <CallControls call={call} chat={chat} setChat={setChat} fullscreen={fullscreen} />
      </section>
      {chat && call.view && <CallChat view={call.view} {...(!roomy && { close: () => setChat(false) })} />}
    </div>
  );
}

import type { CallSnapshot } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

import { useHouse } from '../api/house';
import { Icon } from '../ui/Icon';
import {
  iconExpand, iconHand, iconMessage, iconMicrophone, iconPeople, iconScreen, iconShrink, iconVideo,
} from '../ui/icons';
import { usePhone } from '../ui/useMediaQuery';
import { DeviceMenu } from './DeviceMenu';
import { HangUpIcon } from './HangUpIcon';
import type { Fullscreen } from './useFullscreen';

type ControlProps = {
  icon: string[];
  label: string;
  short: string;
  testId: string;
  off?: boolean;
  pressed?: boolean;
  count?: number;
  disabled?: boolean;
  onClick: () => void;
};

function Control({ icon, label, short, testId, off = false, pressed, count, disabled = false, onClick }: ControlProps) {
  return (
    <div className="hc-control">
      <button type="button" className={`hc-round${off ? ' is-off' : ''}`} data-testid={testId} aria-label={count === undefined ? label : `${label}: ${count}`} title={label} aria-pressed={pressed} disabled={disabled} onClick={onClick}>
        <Icon icon={icon} size={22} off={off} />
        {count !== undefined && <span className="hc-round-count hc-figures">{count}</span>}
      </button>
      <span aria-hidden="true">{short}</span>
    </div>
  );
}

/** What stands beside the picture. */
export type Side = 'chat' | 'people';

type Props = {
  call: CallSnapshot;
  side: Side | null;
  setSide: (side: Side | null) => void;
  fullscreen: Fullscreen;
};

const canShareScreen = () => typeof navigator.mediaDevices?.getDisplayMedia === 'function';

/** What a person does in a call; hang-up alone is red. */
export function CallControls({ call, side, setSide, fullscreen }: Props) {
  const { t } = useTranslation();
  const { calls } = useHouse();
  // On a phone the call fills the screen as it is.
  const phone = usePhone();
  const { microphone, camera, screen } = call.media;
  const { allowed, role } = call;
  const sends = role !== 'listener' && call.self?.role !== 'listener';
  const shares = sends && allowed.screen && !phone && canShareScreen() && (call.phase === 'active' || screen);
  const own = role === 'caller' || role === 'callee';
  const hangUp = t(own ? 'call.hangup' : 'call.leave');
  const toggle = (each: Side) => setSide(side === each ? null : each);
  return (
    <footer className="hc-controls">
      {sends && (
        <>
          <Control
            icon={iconMicrophone} testId="call-mute" off={!microphone} short={t('call.micShort')} disabled={!allowed.microphone}
            label={t(!allowed.microphone ? 'call.mutedByHouse' : microphone ? 'call.mute' : 'call.unmute')} onClick={() => void calls.setMicrophone(!microphone)}
          />
          <Control
            icon={iconVideo} testId="call-camera" off={!camera} short={t('call.cameraShort')} disabled={!allowed.camera}
            label={t(!allowed.camera ? 'call.cameraOffByHouse' : camera ? 'call.cameraOffAction' : 'call.cameraOn')} onClick={() => void calls.setCamera(!camera)}
          />
        </>
      )}
      {shares && (
        <Control
          icon={iconScreen} testId="call-screen" pressed={screen} short={t('call.screenShort')}
          label={t(screen ? 'call.screenStop' : 'call.screen')}
          onClick={() => void (screen ? calls.stopScreen() : calls.startScreen())}
        />
      )}
      {sends && <DeviceMenu />}
      {role === 'guest' && call.phase === 'active' && (
        <Control
          icon={iconHand} testId="call-hand" pressed={call.hand} short={t('call.handShort')}
          label={t(call.hand ? 'call.lowerHand' : 'call.raiseHand')} onClick={() => calls.raiseHand(!call.hand)}
        />
      )}
      {call.phase === 'active' && (
        <Control
          icon={iconPeople} testId="call-people" pressed={side === 'people'} short={t('call.peopleShort')} count={call.people.length + (role === 'listener' ? 0 : 1)}
          label={t(side === 'people' ? 'call.hidePeople' : 'call.people')} onClick={() => toggle('people')}
        />
      )}
      {call.view && own && (
        <Control
          icon={iconMessage} testId="call-chat" pressed={side === 'chat'} short={t('call.chatShort')}
          label={t(side === 'chat' ? 'call.hideChat' : 'call.chat')} onClick={() => toggle('chat')}
        />
      )}
      {fullscreen.possible && !phone && (
        <Control
          icon={fullscreen.on ? iconShrink : iconExpand} testId="call-fullscreen" pressed={fullscreen.on}
          short={t('call.fullShort')} label={t(fullscreen.on ? 'call.fullscreenExit' : 'call.fullscreen')} onClick={fullscreen.toggle}
        />
      )}
      <div className="hc-control">
        <button type="button" className="hc-round is-hang-up" data-testid="call-hangup" aria-label={hangUp} title={hangUp} onClick={() => void calls.hangUp()}>
          <HangUpIcon size={24} />
        </button>
        <span aria-hidden="true">{hangUp}</span>
      </div>
    </footer>
  );
}

import type { CallSnapshot } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

import { useHouse } from '../api/house';
import { Icon } from '../ui/Icon';
import {
  iconExpand, iconMessage, iconMicrophone, iconScreen, iconShrink, iconVideo,
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
  onClick: () => void;
};

function Control({ icon, label, short, testId, off = false, pressed, onClick }: ControlProps) {
  return (
    <div className="hc-control">
      <button type="button" className={`hc-round${off ? ' is-off' : ''}`} data-testid={testId} aria-label={label} title={label} aria-pressed={pressed} onClick={onClick}>
        <Icon icon={icon} size={22} off={off} />
      </button>
      <span aria-hidden="true">{short}</span>
    </div>
  );
}

type Props = {
  call: CallSnapshot;
  chat: boolean;
  setChat: (shown: boolean) => void;
  fullscreen: Fullscreen;
};

const canShareScreen = () => typeof navigator.mediaDevices?.getDisplayMedia === 'function';

/** What a person does in a call; hang-up alone is red. */
export function CallControls({ call, chat, setChat, fullscreen }: Props) {
  const { t } = useTranslation();
  const { calls } = useHouse();
  // On a phone the call fills the screen as it is.
  const phone = usePhone();
  const { microphone, camera, screen } = call.media;
  const shares = canShareScreen() && (call.phase === 'active' || screen);
  return (
    <footer className="hc-controls">
      <Control
        icon={iconMicrophone} testId="call-mute" off={!microphone} short={t('call.micShort')}
        label={t(microphone ? 'call.mute' : 'call.unmute')} onClick={() => void calls.setMicrophone(!microphone)}
      />
      <Control
        icon={iconVideo} testId="call-camera" off={!camera} short={t('call.cameraShort')}
        label={t(camera ? 'call.cameraOffAction' : 'call.cameraOn')} onClick={() => void calls.setCamera(!camera)}
      />
      {shares && (
        <Control
          icon={iconScreen} testId="call-screen" pressed={screen} short={t('call.screenShort')}
          label={t(screen ? 'call.screenStop' : 'call.screen')}
          onClick={() => void (screen ? calls.stopScreen() : calls.startScreen())}
        />
      )}
      <DeviceMenu />
      {call.view && (
        <Control
          icon={iconMessage} testId="call-chat" pressed={chat} short={t('call.chatShort')}
          label={t(chat ? 'call.hideChat' : 'call.chat')} onClick={() => setChat(!chat)}
        />
      )}
      {fullscreen.possible && !phone && (
        <Control
          icon={fullscreen.on ? iconShrink : iconExpand} testId="call-fullscreen" pressed={fullscreen.on}
          short={t('call.fullShort')} label={t(fullscreen.on ? 'call.fullscreenExit' : 'call.fullscreen')} onClick={fullscreen.toggle}
        />
      )}
      <div className="hc-control">
        <button type="button" className="hc-round is-hang-up" data-testid="call-hangup" aria-label={t('call.hangup')} title={t('call.hangup')} onClick={() => void calls.hangUp()}>
          <HangUpIcon size={24} />
        </button>
        <span aria-hidden="true">{t('call.hangup')}</span>
      </div>
    </footer>
  );
}

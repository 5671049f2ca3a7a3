import { IonIcon } from '@ionic/react';
import type { CallDevices, CallSnapshot } from '@housecall/sdk';
import {
  callOutline,
  cameraReverseOutline,
  chatbubbleOutline,
  handRightOutline,
  micOffOutline,
  micOutline,
  settingsOutline,
  videocamOffOutline,
  videocamOutline,
} from 'ionicons/icons';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { housecall, useConversation, useMe } from '../app/client';
import { DeviceSheet } from './DeviceSheet';

interface Props {
  call: CallSnapshot;
  chatOpen: boolean;
  onChat: () => void;
}

/** Words under the icons; hang-up alone is red. */
export function Controls({ call, chatOpen, onChat }: Props) {
  const { t } = useTranslation();
  const { conversation } = useMe();
  const { calls } = housecall;
  const talking = call.phase === 'active' || call.phase === 'connecting';
  const { microphone, camera } = call.media;
  const { allowed } = call;
  const phone = globalThis.matchMedia('(pointer: coarse)').matches;
  return (
    <div className="controls">
      {talking && (
        <>
          <Control
            icon={microphone ? micOutline : micOffOutline}
            label={t(microphone ? 'call.mic_on' : 'call.mic_off')}
            pressed={!microphone}
            disabled={!allowed.microphone}
            testId="call-mute"
            onPress={() => void calls.setMicrophone(!microphone)}
          />
          <Control
            icon={camera ? videocamOutline : videocamOffOutline}
            label={t(camera ? 'call.camera_on' : 'call.camera_off')}
            pressed={!camera}
            disabled={!allowed.camera}
            testId="call-camera"
            onPress={() => void calls.setCamera(!camera)}
          />
          {phone ? (
            camera && call.canFlip && (
              <Control icon={cameraReverseOutline} label={t('call.flip')} testId="call-flip" onPress={() => void calls.flipCamera()} />
            )
          ) : (
            <Devices />
          )}
          {call.people.length > 1 && (
            <Control icon={handRightOutline} label={t(call.hand ? 'call.hand_down' : 'call.hand_up')} pressed={call.hand} testId="call-hand" onPress={() => calls.raiseHand(!call.hand)} />
          )}
          {conversation && <ChatControl conversation={conversation} open={chatOpen} onPress={onChat} />}
        </>
      )}
      <Control
        icon={callOutline}
        label={t(talking ? 'call.hang_up' : 'call.cancel')}
        testId="call-hangup"
        danger
        onPress={() => void calls.hangUp()}
      />
    </div>
  );
}

function ChatControl({ conversation, open, onPress }: { conversation: string; open: boolean; onPress: () => void }) {
  const { t } = useTranslation();
  const { unread } = useConversation(conversation);
  return (
    <Control icon={chatbubbleOutline} label={t('call.chat')} pressed={open} count={open ? 0 : unread} testId="call-chat" onPress={onPress} />
  );
}

function Devices() {
  const { t } = useTranslation();
  const [devices, setDevices] = useState<CallDevices | null>(null);
  return (
    <>
      <Control
        icon={settingsOutline}
        label={t('call.devices')}
        testId="call-devices"
        onPress={() => void housecall.calls.devices().then(setDevices)}
      />
      {devices && <DeviceSheet devices={devices} onClose={() => setDevices(null)} />}
    </>
  );
}

interface ControlProps {
  icon: string;
  label: string;
  testId: string;
  onPress: () => void;
  pressed?: boolean;
  danger?: boolean;
  count?: number;
  disabled?: boolean;
}

function Control({ icon, label, testId, onPress, pressed, danger = false, count = 0, disabled = false }: ControlProps) {
  return (
    <button type="button" className="control" aria-pressed={pressed} disabled={disabled} data-testid={testId} onClick={onPress}>
      <span className={`control-circle ${danger ? 'is-bad' : ''} ${pressed ? 'is-pressed' : ''}`} aria-hidden="true">
        <IonIcon icon={icon} />
        {count > 0 && <span className="count">{count}</span>}
      </span>
      {label}
    </button>
  );
}

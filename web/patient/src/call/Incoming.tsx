import { IonIcon } from '@ionic/react';
import type { CallSnapshot } from '@housecall/sdk';
import { callOutline, closeOutline, videocamOutline } from 'ionicons/icons';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';

import { housecall } from '../app/client';
import { doctorTitle } from '../app/format';
import { Avatar } from '../ui/Avatar';
import { Picture } from './Picture';

/** Name, specialty, two big buttons. */
export function Incoming({ call }: { call: CallSnapshot }) {
  const { t } = useTranslation();
  const accept = useRef<HTMLButtonElement>(null);
  const video = call.view?.media === 'video';
  useEffect(() => accept.current?.focus(), []);
  if (!call.peer) return null;
  return (
    <div className="call incoming" role="dialog" aria-modal="true" aria-label={t('call.incoming')} data-testid="incoming-call">
      {call.local.camera && <Picture stream={call.local.camera} mirrored dimmed />}
      <div className="incoming-who">
        <Avatar id={call.peer.person} name={call.peer.name} size={112} />
        <h1>{call.peer.name}</h1>
        <p>{doctorTitle(call.peer.specialty)}</p>
        <p className="incoming-kind">{t(video ? 'call.incoming_video' : 'call.incoming_audio')}</p>
      </div>
      <div className="incoming-actions">
        <BigButton kind="bad" icon={closeOutline} label={t('call.decline')} testId="incoming-decline" onPress={() => void housecall.calls.decline()} />
        <BigButton
          focusRef={accept}
          kind="ok"
          icon={video ? videocamOutline : callOutline}
          label={t('call.accept')}
          testId="incoming-accept"
          onPress={() => void housecall.calls.accept({ camera: video })}
        />
      </div>
    </div>
  );
}

interface ButtonProps {
  kind: 'ok' | 'bad';
  icon: string;
  label: string;
  testId: string;
  onPress: () => void;
  focusRef?: React.Ref<HTMLButtonElement>;
}

function BigButton({ kind, icon, label, testId, onPress, focusRef }: ButtonProps) {
  return (
    <button ref={focusRef} type="button" className="big-button" data-testid={testId} onClick={onPress}>
      <span className={`big-button-circle is-${kind}`} aria-hidden="true">
        <IonIcon icon={icon} />
      </span>
      {label}
    </button>
  );
}

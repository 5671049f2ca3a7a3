import { CButton } from '@coreui/react';
import type { CallSnapshot } from '@housecall/sdk';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';

import { useHouse } from '../api/house';
import { showNotice } from '../notify/settings';
import { Avatar } from '../ui/Avatar';
import { Icon } from '../ui/Icon';
import { iconPhone, iconVideo } from '../ui/icons';
import { HangUpIcon } from './HangUpIcon';

import './incoming.css';

/** Who calls, and the answers. It takes no focus: a half-typed word must not answer it. */
export function IncomingCall({ call }: { call: CallSnapshot }) {
  const { t } = useTranslation();
  const { calls } = useHouse();
  const video = call.view?.media === 'video';
  const name = call.peer?.name || t('person.noName');
  const guest = call.role === 'guest';
  const patient = call.people.find((person) => person.kind === 'patient')?.name || t('person.noName');
  const words = guest ? t('call.invited', { name: patient }) : t(video ? 'call.incomingVideo' : 'call.incomingAudio');
  const listens = call.self?.role === 'listener';
  useEffect(() => showNotice(words, name, () => undefined), [words, name]);
  return (
    <section className="hc-incoming" role="alertdialog" aria-label={`${words}: ${name}`} data-testid="incoming">
      <span className="hc-incoming-face"><Avatar id={call.peer?.person ?? ''} name={name} size={72} /></span>
      <strong>{name}</strong>
      <p>{words}</p>
      <div>
        <CButton color="danger" data-testid="incoming-decline" onClick={() => void calls.decline()}>
          <HangUpIcon />
          {t('call.decline')}
        </CButton>
        {video && !listens && (
          <CButton color="secondary" variant="outline" data-testid="incoming-accept-audio" onClick={() => void calls.accept({ camera: false })}>
            <Icon icon={iconPhone} />
            {t('call.acceptAudio')}
          </CButton>
        )}
        <CButton color="primary" data-testid="incoming-accept" onClick={() => void calls.accept({ camera: video })}>
          <Icon icon={video && !listens ? iconVideo : iconPhone} />
          {t(listens ? 'call.acceptListening' : video ? 'call.acceptVideo' : 'call.accept')}
        </CButton>
      </div>
    </section>
  );
}

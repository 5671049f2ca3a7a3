import { IonIcon, IonPage, useIonViewDidEnter, useIonViewWillLeave } from '@ionic/react';
import type { CallMedia, ConsultationSummary } from '@housecall/sdk';
import { callOutline, searchOutline, videocamOutline } from 'ionicons/icons';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { housecall, useCall, useMe, usePresence, useRealtime } from '../app/client';
import { doctorTitle } from '../app/format';
import { useBrand, useHome } from '../app/queries';
import { Avatar } from '../ui/Avatar';
import { BackButton } from '../ui/BackButton';
import { BrandMark } from '../ui/BrandMark';
import { OfflineBar } from '../ui/OfflineBar';
import { Talk } from './Talk';

export function ChatPage() {
  const { conversation } = useMe();
  const [shown, setShown] = useState(true);
  useIonViewDidEnter(() => setShown(true));
  useIonViewWillLeave(() => setShown(false));
  const { data: home } = useHome();
  const id = conversation ?? home?.conversation ?? null;
  const [finding, setFinding] = useState(false);
  return (
    <IonPage data-testid="chat">
      <Head consultation={home?.open ?? null} finding={finding} onFind={() => setFinding((before) => !before)} />
      <OfflineBar />
      {id && <Talk conversation={id} shown={shown} finding={finding} onFound={() => setFinding(false)} />}
    </IonPage>
  );
}

interface HeadProps {
  consultation: ConsultationSummary | null;
  finding: boolean;
  onFind: () => void;
}

/** Who answers now, and the ways to call them while a consultation is active. */
function Head({ consultation, finding, onFind }: HeadProps) {
  const { t } = useTranslation();
  const operator = consultation?.state === 'active' ? consultation.operator : null;
  const online = usePresence(operator?.id ?? null);
  return (
    <header className="chat-head">
      <BackButton to="/home" />
      {operator ? (
        <>
          <Avatar id={operator.id} name={operator.name} online={online === true} />
          <div className="chat-who">
            <h1>{operator.name}</h1>
            <p className={online ? 'is-online' : ''}>
              {doctorTitle(operator.specialty)}
              {online === true && t('chat.online')}
              {online === false && t('chat.away')}
            </p>
          </div>
        </>
      ) : (
        <Clinic consultation={consultation} />
      )}
      <button type="button" className="icon-button" aria-label={t('find.open')} aria-pressed={finding} data-testid="find" onClick={onFind}>
        <IonIcon icon={searchOutline} aria-hidden="true" />
      </button>
      {operator && <CallButtons consultation={consultation} />}
    </header>
  );
}

function Clinic({ consultation }: { consultation: ConsultationSummary | null }) {
  const { t } = useTranslation();
  const { data: brand } = useBrand();
  const position = consultation?.queue_position;
  return (
    <>
      <BrandMark size={44} />
      <div className="chat-who">
        <h1>{brand?.name ?? t('chat.clinic')}</h1>
        <p>
          {consultation
            ? position
              ? t('home.position', { position })
              : t('home.waiting')
            : t('chat.clinic_lead')}
        </p>
      </div>
    </>
  );
}

function CallButtons({ consultation }: { consultation: ConsultationSummary | null }) {
  const { t } = useTranslation();
  const call = useCall();
  const online = useRealtime().status === 'online';
  if (!consultation) return null;
  const start = (media: CallMedia) => void housecall.calls.start({ kind: 'consultation', id: consultation.id }, media);
  const busy = (call !== null && call.phase !== 'ended') || !online;
  return (
    <>
      <button type="button" className="icon-button" disabled={busy} aria-label={t('call.audio')} data-testid="call-audio" onClick={() => start('audio')}>
        <IonIcon icon={callOutline} aria-hidden="true" />
      </button>
      <button type="button" className="icon-button" disabled={busy} aria-label={t('call.video')} data-testid="call-video" onClick={() => start('video')}>
        <IonIcon icon={videocamOutline} aria-hidden="true" />
      </button>
    </>
  );
}

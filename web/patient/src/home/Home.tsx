import { IonContent, IonIcon, IonPage, useIonRouter } from '@ionic/react';
import type { Callback, ConsultationSummary, PatientHome } from '@housecall/sdk';
import { callOutline, chatbubbleOutline, chevronForwardOutline, timeOutline } from 'ionicons/icons';
import { useTranslation } from 'react-i18next';

import { useMe, useRealtime } from '../app/client';
import { doctorTitle, moment, number, shortDay, wait } from '../app/format';
import { useHome } from '../app/queries';
import { Avatar } from '../ui/Avatar';
import { Failure } from '../ui/Failure';
import { OfflineBar } from '../ui/OfflineBar';
import { Skeleton } from '../ui/Skeleton';
import './home.css';

export function Home() {
  const { t } = useTranslation();
  const router = useIonRouter();
  const me = useMe();
  const home = useHome();
  const { status: connection } = useRealtime();
  return (
    <IonPage data-testid="home">
      <IonContent>
        <div className="home-head">
          <div className="home-person">
            <span className="avatar home-avatar" aria-hidden="true">
              {me.name.split(/\s+/).slice(0, 2).map((word) => word[0]).join('')}
            </span>
            <div>
              <p>{t(`home.${partOfDay()}`)}</p>
              <h1>{me.name}</h1>
            </div>
          </div>
          {/* Who is online is only true while we are too. */}
          {home.data && connection !== 'waiting' && <Reach home={home.data} />}
        </div>
        <div className="home-body">
          <button
            type="button"
            className="button-primary home-ask"
            data-testid="ask-question"
            onClick={() => router.push('/chat', 'forward')}
          >
            <IonIcon icon={chatbubbleOutline} aria-hidden="true" />
            {t(home.data?.open ? 'home.continue' : 'home.ask')}
          </button>
          {home.data?.open && <OpenCard consultation={home.data.open} />}
          {home.data?.callback ? <CallbackCard callback={home.data.callback} /> : <CallbackTile />}
          {home.isPending && <Skeleton heights={[104, 24, 74]} />}
          {home.isError && !home.data && <Failure retry={() => void home.refetch()} />}
          {home.data?.last && <LastCard consultation={home.data.last} />}
        </div>
      </IonContent>
      <OfflineBar />
    </IonPage>
  );
}

function partOfDay(): 'night' | 'morning' | 'day' | 'evening' {
  const hour = new Date().getHours();
  if (hour < 5) return 'night';
  if (hour < 12) return 'morning';
  return hour < 18 ? 'day' : 'evening';
}

function Reach({ home }: { home: PatientHome }) {
  const { t } = useTranslation();
  const online = home.doctors_online > 0;
  return (
    <div className="home-reach" data-testid="doctors-online">
      <span className={`home-dot ${online ? 'is-on' : ''}`} aria-hidden="true" />
      <div>
        <p className="home-reach-title">{online ? t('home.online', { count: home.doctors_online }) : t('home.nobody')}</p>
        <p className="home-reach-wait">
          {home.typical_wait_s === null ? t('home.wait_unknown') : t('home.wait', { wait: wait(home.typical_wait_s) })}
        </p>
      </div>
    </div>
  );
}

function OpenCard({ consultation }: { consultation: ConsultationSummary }) {
  const { t } = useTranslation();
  const router = useIonRouter();
  const { operator } = consultation;
  const waiting = consultation.state === 'waiting';
  return (
    <button type="button" className="card row-card" data-testid="open-consultation" onClick={() => router.push('/chat', 'forward')}>
      {operator ? (
        <Avatar id={operator.id} name={operator.name} size={48} />
      ) : (
        <span className="round-icon is-warn" aria-hidden="true">
          <IonIcon icon={timeOutline} />
        </span>
      )}
      <span className="row-text">
        <span className="row-title">{operator ? operator.name : t('home.in_queue')}</span>
        <span className="row-sub">
          {waiting
            ? consultation.queue_position
              ? t('home.position', { position: consultation.queue_position })
              : t('home.waiting')
            : doctorTitle(operator?.specialty)}
        </span>
        <span className="row-sub">{t('consultation.number', { number: number(consultation.number) })}</span>
      </span>
      {consultation.unread > 0 ? (
        <span className="count">{consultation.unread}</span>
      ) : (
        <span className={`chip ${waiting ? 'is-warn' : 'is-ok'}`}>{t(waiting ? 'home.chip_waiting' : 'home.chip_active')}</span>
      )}
    </button>
  );
}

function CallbackTile() {
  const { t } = useTranslation();
  const router = useIonRouter();
  return (
    <button type="button" className="card row-card" data-testid="callback-open" onClick={() => router.push('/callback', 'forward')}>
      <span className="round-icon" aria-hidden="true">
        <IonIcon icon={callOutline} />
      </span>
      <span className="row-text">
        <span className="row-title">{t('home.callback')}</span>
        <span className="row-sub">{t('home.callback_sub')}</span>
      </span>
      <IonIcon icon={chevronForwardOutline} className="row-next" aria-hidden="true" />
    </button>
  );
}

function CallbackCard({ callback }: { callback: Callback }) {
  const { t } = useTranslation();
  const router = useIonRouter();
  return (
    <button type="button" className="card row-card" data-testid="callback-card" onClick={() => router.push('/callback', 'forward')}>
      <span className="round-icon" aria-hidden="true">
        <IonIcon icon={callOutline} />
      </span>
      <span className="row-text">
        <span className="row-title">{t('callback.ordered')}</span>
        <span className="row-sub">{callback.call_at ? moment(callback.call_at) : t('callback.soon')}</span>
      </span>
      <span className={`chip ${callback.state === 'new' ? 'is-warn' : 'is-ok'}`}>{t(`callback.state_${callback.state}`)}</span>
    </button>
  );
}

function LastCard({ consultation }: { consultation: ConsultationSummary }) {
  const { t } = useTranslation();
  const router = useIonRouter();
  const { operator } = consultation;
  return (
    <section>
      <h2 className="section-title">{t('home.last')}</h2>
      <button
        type="button"
        className="card row-card"
        data-testid="last-consultation"
        onClick={() => router.push(`/history/${consultation.id}`, 'forward')}
      >
        <Avatar id={operator?.id ?? consultation.id} name={operator?.name ?? '№'} size={48} />
        <span className="row-text">
          <span className="row-title">{operator ? operator.name : t('consultation.number', { number: number(consultation.number) })}</span>
          <span className="row-sub one-line">
            {consultation.summary ? t('consultation.result', { text: consultation.summary }) : doctorTitle(operator?.specialty)}
          </span>
        </span>
        {consultation.closed_at && <span className="row-time">{shortDay(consultation.closed_at)}</span>}
      </button>
    </section>
  );
}

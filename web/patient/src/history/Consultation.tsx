import { IonContent, IonPage } from '@ionic/react';
import type { ChatItem } from '@housecall/sdk';
import { useQuery, useQueryClient, type InfiniteData } from '@tanstack/react-query';
import type { ConsultationPage, ConsultationSummary } from '@housecall/sdk';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useParams } from 'react-router-dom';

import { housecall, useConversation, useMe } from '../app/client';
import { doctorTitle, moment, number } from '../app/format';
import { Rows } from '../chat/Rows';
import { Avatar } from '../ui/Avatar';
import { BackButton } from '../ui/BackButton';
import { Failure } from '../ui/Failure';
import { OfflineBar } from '../ui/OfflineBar';
import { Skeleton } from '../ui/Skeleton';
import './consultation.css';

/** One closed consultation: the conclusion, and its part of the conversation. */
export function Consultation() {
  const { t } = useTranslation();
  const { id = '' } = useParams();
  const consultation = useConsultation(id);
  return (
    <IonPage data-testid="consultation">
      <IonContent>
        <div className="page">
          <div className="page-head">
            <BackButton to="/history" />
            <h1>
              {consultation.data
                ? t('consultation.number', { number: number(consultation.data.number) })
                : t('consultation.title')}
            </h1>
          </div>
          {consultation.isPending && <Skeleton heights={[120, 60, 60]} />}
          {consultation.isError && !consultation.data && <Failure retry={() => void consultation.refetch()} />}
          {consultation.data && <Conclusion consultation={consultation.data} />}
          <Part id={id} />
        </div>
      </IonContent>
      <OfflineBar />
    </IonPage>
  );
}

function useConsultation(id: string) {
  const client = useQueryClient();
  return useQuery({
    queryKey: ['consultation', id],
    queryFn: () => housecall.api.consultation(id),
    enabled: id !== '',
    placeholderData: () =>
      client
        .getQueryData<InfiniteData<ConsultationPage>>(['history'])
        ?.pages.flatMap((page) => page.items)
        .find((item) => item.id === id),
  });
}

function Conclusion({ consultation }: { consultation: ConsultationSummary }) {
  const { t } = useTranslation();
  const { operator } = consultation;
  return (
    <section className="card conclusion">
      {operator && (
        <div className="conclusion-who">
          <Avatar id={operator.id} name={operator.name} />
          <div>
            <p className="row-title">{operator.name}</p>
            <p className="row-sub">{doctorTitle(operator.specialty)}</p>
          </div>
        </div>
      )}
      <h2>{t('consultation.conclusion')}</h2>
      <p data-testid="conclusion">{consultation.summary || t('consultation.no_result')}</p>
      {consultation.closed_at && <p className="row-sub">{t('consultation.closed', { at: moment(consultation.closed_at) })}</p>}
    </section>
  );
}

function Part({ id }: { id: string }) {
  const { t } = useTranslation();
  const { conversation } = useMe();
  if (!conversation) return null;
  return (
    <section className="part">
      <h2 className="section-title">{t('consultation.talk')}</h2>
      <PartRows conversation={conversation} id={id} />
    </section>
  );
}

function PartRows({ conversation, id }: { conversation: string; id: string }) {
  const snapshot = useConversation(conversation);
  const [loading, setLoading] = useState(true);
  useEffect(() => {
    let current = true;
    setLoading(true);
    void housecall.chat
      .conversation(conversation)
      .loadConsultation(id)
      .catch(() => undefined)
      .then(() => {
        if (current) setLoading(false);
      });
    return () => {
      current = false;
    };
  }, [conversation, id]);
  const items = partOf(snapshot.items, id);
  if (items.length === 0) return loading ? <Skeleton heights={[48, 64, 48]} /> : null;
  return <Rows items={items} />;
}

/** From the opening to the closing event of that consultation. */
function partOf(items: readonly ChatItem[], id: string): ChatItem[] {
  const start = items.findIndex((item) => isEvent(item, 'consultation_opened', id));
  if (start < 0) return [];
  const end = items.findIndex((item) => isEvent(item, 'consultation_closed', id));
  return items.slice(start, end < 0 ? undefined : end + 1);
}

function isEvent(item: ChatItem, event: 'consultation_opened' | 'consultation_closed', id: string): boolean {
  const { body } = item;
  return body.kind === 'system' && body.event.event === event && body.event.consultation === id;
}

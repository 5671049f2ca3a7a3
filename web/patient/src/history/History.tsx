import { useIonRouter } from '@ionic/react';
import type { ConsultationSummary } from '@housecall/sdk';
import { timeOutline } from 'ionicons/icons';
import { useTranslation } from 'react-i18next';

import { doctorTitle, number, shortDay } from '../app/format';
import { useHistory } from '../app/queries';
import { Avatar } from '../ui/Avatar';
import { Empty } from '../ui/Empty';
import { Failure } from '../ui/Failure';
import { Page } from '../ui/Page';
import { Skeleton } from '../ui/Skeleton';

/** Closed consultations, newest first. */
export function History() {
  const { t } = useTranslation();
  const history = useHistory();
  const items = history.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Page title={t('history.title')} testId="history">
      {history.isPending && <Skeleton heights={[84, 84, 84]} />}
      {history.isError && !history.data && <Failure retry={() => void history.refetch()} />}
      {history.data && items.length === 0 && (
        <Empty icon={timeOutline} title={t('history.empty_title')} text={t('history.empty_text')} />
      )}
      <ul className="cards">
        {items.map((consultation) => (
          <li key={consultation.id}>
            <Row consultation={consultation} />
          </li>
        ))}
      </ul>
      {history.hasNextPage && (
        <button
          type="button"
          className="button-quiet"
          disabled={history.isFetchingNextPage}
          onClick={() => void history.fetchNextPage()}
        >
          {t('history.more')}
        </button>
      )}
    </Page>
  );
}

function Row({ consultation }: { consultation: ConsultationSummary }) {
  const { t } = useTranslation();
  const router = useIonRouter();
  const { operator } = consultation;
  return (
    <button
      type="button"
      className="card row-card"
      data-testid="history-item"
      onClick={() => router.push(`/history/${consultation.id}`, 'forward')}
    >
      <Avatar id={operator?.id ?? consultation.id} name={operator?.name ?? '№'} size={44} />
      <span className="row-text">
        <span className="row-title">{operator?.name ?? t('consultation.number', { number: number(consultation.number) })}</span>
        <span className="row-sub">{doctorTitle(operator?.specialty ?? consultation.specialty)}</span>
        <span className="row-sub two-lines">{consultation.summary || t('consultation.no_result')}</span>
      </span>
      {consultation.closed_at && <span className="row-time">{shortDay(consultation.closed_at)}</span>}
    </button>
  );
}

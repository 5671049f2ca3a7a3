import { CButton } from '@coreui/react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';

import { usePresence } from '../api/presence';
import { type DeskTab, itemsOf, useConsultations, useMessageSearch } from '../api/queries';
import { Icon } from '../ui/Icon';
import { iconDown, iconInbox, iconSearch } from '../ui/icons';
import { Empty, Failed, SkeletonRows } from '../ui/States';
import { Hits } from './Hits';
import { QueueRow } from './QueueRow';
import type { DeskPlace } from './useDeskPlace';
import { useHeldRows } from './useHeldRows';

import './desk-list.css';

const EMPTY: Record<DeskTab, string> = {
  queue: 'desk.emptyQueue', mine: 'desk.emptyMine', all: 'desk.emptyAll', archive: 'desk.emptyArchive',
};

function Tabs({ place }: { place: DeskPlace }) {
  const { t } = useTranslation();
  const counts = useConsultations('queue').data?.pages[0]?.counts;
  const count: Partial<Record<DeskTab, number | undefined>> = {
    queue: counts?.waiting, mine: counts?.mine, all: counts?.active,
  };
  return (
    <nav className="hc-tabs" aria-label={t('desk.list')}>
      {place.tabs.map((tab) => (
        <Link
          key={tab} to={place.addressOf(tab, place.id)} data-testid={`tab-${tab}`}
          className={tab === place.tab ? 'is-chosen' : ''} aria-current={tab === place.tab ? 'page' : undefined}
        >
          {t(`desk.${tab}`)}
          {count[tab] ? <span className="hc-figures"> {count[tab]}</span> : null}
        </Link>
      ))}
    </nav>
  );
}

function Rows({ place }: { place: DeskPlace }) {
  const { t } = useTranslation();
  const query = useConsultations(place.tab, place.q);
  const items = itemsOf(query.data);
  const held = useHeldRows(items, place.tab !== 'archive');
  const presence = usePresence(items.map((item) => item.patient.id));
  if (query.isPending) return <SkeletonRows count={6} height={86} />;
  if (query.isError && items.length === 0) {
    return <Failed error={query.error} retry={() => void query.refetch()} />;
  }
  if (held.rows.length === 0) {
    // What was looked for may be in messages, which stand below.
    return place.q ? null : <Empty icon={iconInbox} title={t(EMPTY[place.tab])} hint={t(`${EMPTY[place.tab]}Hint`)} />;
  }
  return (
    <>
      {place.q && <h3 className="hc-list-head">{t('find.consultations')}</h3>}
      {held.arrived > 0 && (
        <button type="button" className="hc-arrived" data-testid="arrived" onClick={held.release}>
          <Icon icon={iconDown} size={14} />
          {t('desk.arrived', { count: held.arrived })}
        </button>
      )}
      <ul className="hc-rows" ref={held.box} {...held.handlers}>
        {held.rows.map(({ row, gone }) => (
          <QueueRow
            key={row.id} row={row} gone={gone} tab={place.tab} chosen={row.id === place.id}
            to={place.addressOf(place.tab, row.id)} presence={presence.get(row.patient.id)}
          />
        ))}
        {query.hasNextPage && (
          <li className="hc-more">
            <CButton color="secondary" variant="outline" data-testid="more" disabled={query.isFetchingNextPage} onClick={() => { held.release(); void query.fetchNextPage(); }}>
              {t('state.more')}
            </CButton>
          </li>
        )}
      </ul>
    </>
  );
}

/** Consultations of this tab by name, phone and number, and below them messages by their words. */
function Searched({ place }: { place: DeskPlace }) {
  const { t } = useTranslation();
  const consultations = useConsultations(place.tab, place.q);
  const messages = useMessageSearch(place.q);
  const nothing = consultations.isSuccess && itemsOf(consultations.data).length === 0
    && !messages.isFetching && !messages.isError && itemsOf(messages.data).length === 0;
  if (nothing) return <Empty icon={iconSearch} title={t('desk.emptySearch')} hint={t('desk.emptySearchHint')} />;
  return (
    <div className="hc-list-scroll">
      <Rows place={place} />
      <Hits query={messages} place={place} />
    </div>
  );
}

export function DeskList({ place }: { place: DeskPlace }) {
  const { t } = useTranslation();
  return (
    <section className="hc-list" aria-label={t('desk.list')}>
      <Tabs place={place} />
      {place.q
        ? <Searched key={`${place.tab} ${place.q}`} place={place} />
        : <Rows key={place.tab} place={place} />}
    </section>
  );
}

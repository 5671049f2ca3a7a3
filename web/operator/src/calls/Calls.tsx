import { CButton } from '@coreui/react';
import type { CallListItem } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';
import { Link, useParams, useSearchParams } from 'react-router';

import { useHouse, useMe } from '../api/house';
import { type CallTab, itemsOf, useCalls } from '../api/queries';
import { Header } from '../app/Header';
import { useCall } from '../call/useCall';
import { clock, dayAndClock, duration } from '../format/time';
import { Avatar } from '../ui/Avatar';
import { Icon } from '../ui/Icon';
import { iconEar, iconPhone, iconVideo } from '../ui/icons';
import { Empty, Failed, SkeletonRows } from '../ui/States';
import { usePhone } from '../ui/useMediaQuery';
import { useNow } from '../ui/useNow';
import { CallRecordDialog } from './CallRecordDialog';
import { Score } from './Score';

import '../ui/table.css';
import './calls.css';

const TABS: CallTab[] = ['running', 'ended', 'poor'];
const EMPTY: Record<CallTab, string> = { running: 'calls.emptyRunning', ended: 'calls.emptyEnded', poor: 'calls.emptyPoor' };

function Talk({ item }: { item: CallListItem }) {
  const { t } = useTranslation();
  const now = useNow(1000);
  if (item.ended_at === null) {
    return <>{t('calls.runs', { duration: duration(Math.max(0, (now - (item.accepted_at ?? now)) / 1000), t) })}</>;
  }
  return <>{item.duration_s > 0 ? duration(item.duration_s, t) : t(`record.${item.reason ?? 'failed'}`)}</>;
}

function Row({ item, tab }: { item: CallListItem; tab: CallTab }) {
  const { t, i18n } = useTranslation();
  const { calls } = useHouse();
  const { role, id: me } = useMe();
  const busy = useCall() !== null;
  const now = useNow(60_000);
  const name = item.patient.name || t('person.noName');
  const running = item.ended_at === null;
  const listens = running && role === 'supervisor' && item.operator.id !== me;
  return (
    <tr data-testid="call-row" data-id={item.id}>
      <td>
        <span className="hc-who">
          <Avatar id={item.patient.id} name={name} size={36} />
          <span>
            {running ? <strong>{name}</strong> : <Link className="hc-row-link" to={`/calls/${item.id}?list=${tab}`}>{name}</Link>}
            <small>{item.operator.name}{item.guests > 0 && `, ${t('calls.guests', { count: item.guests })}`}</small>
          </span>
        </span>
      </td>
      <td className="hc-figures hc-nowrap">
        {running ? clock(item.created_at, i18n.language) : dayAndClock(item.created_at, now, i18n.language, t)}
      </td>
      <td className="hc-nowrap">
        <span className="hc-call-kind"><Icon icon={item.media === 'video' ? iconVideo : iconPhone} size={18} />{t(`record.${item.media}`)}</span>
      </td>
      <td className="hc-figures"><Talk item={item} /></td>
      <td>
        {running && listens && (
          <CButton color="secondary" variant="outline" disabled={busy} data-testid="call-listen" onClick={() => void calls.listen(item.id)}>
            <Icon icon={iconEar} size={18} />
            {t('calls.listen')}
          </CButton>
        )}
        {!running && <Score mos={item.mos} faults={item.faults} />}
      </td>
    </tr>
  );
}

function Table({ tab }: { tab: CallTab }) {
  const { t } = useTranslation();
  const phone = usePhone();
  const query = useCalls(tab);
  const items = itemsOf(query.data);
  if (query.isPending) return <div className="hc-card"><SkeletonRows count={5} height={62} /></div>;
  if (query.isError && items.length === 0) return <Failed error={query.error} retry={() => void query.refetch()} />;
  if (items.length === 0) return <Empty icon={iconPhone} title={t(EMPTY[tab])} hint={t(`${EMPTY[tab]}Hint`)} />;
  const columns = ['who', 'when', 'kind', 'talk', tab === 'running' ? 'action' : 'quality'] as const;
  return (
    <div className="hc-card hc-table-card">
      <table className="table hc-table hc-linked hc-calls">
        {!phone && <thead><tr>{columns.map((column) => <th key={column} scope="col">{t(`calls.${column}`)}</th>)}</tr></thead>}
        <tbody>{items.map((item) => <Row key={item.id} item={item} tab={tab} />)}</tbody>
      </table>
      {query.hasNextPage && (
        <div className="hc-more">
          <CButton color="secondary" variant="outline" disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>{t('state.more')}</CButton>
        </div>
      )}
    </div>
  );
}

/** Calls that run and calls that were; the list and the open record are in the address. */
export function Calls() {
  const { t } = useTranslation();
  const { id } = useParams();
  const [params] = useSearchParams();
  const asked = params.get('list');
  const tab = TABS.find((known) => known === asked) ?? (id ? 'ended' : 'running');
  return (
    <>
      <Header title={t('nav.calls')} />
      <div className="hc-page">
        <nav className="hc-filters" aria-label={t('calls.filters')}>
          {TABS.map((each) => (
            <Link
              key={each} to={`/calls?list=${each}`} data-testid={`calls-${each}`}
              className={`hc-filter${each === tab ? ' is-chosen' : ''}`} aria-current={each === tab ? 'page' : undefined}
            >
              {t(`calls.${each}`)}
            </Link>
          ))}
        </nav>
        <Table key={tab} tab={tab} />
      </div>
      {id && <CallRecordDialog key={id} id={id} back={`/calls?list=${tab}`} />}
    </>
  );
}

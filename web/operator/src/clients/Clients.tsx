import { CButton } from '@coreui/react';
import { formatPhone, type PatientListItem } from '@housecall/sdk';
import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useSearchParams } from 'react-router';

import { usePresence } from '../api/presence';
import { itemsOf, usePatients } from '../api/queries';
import { Header } from '../app/Header';
import { Search } from '../app/Search';
import { shortAge } from '../format/time';
import { Avatar } from '../ui/Avatar';
import { Empty, Failed, SkeletonRows } from '../ui/States';
import { iconPeople, iconSearch } from '../ui/icons';
import { usePhone } from '../ui/useMediaQuery';
import { useNow } from '../ui/useNow';

import '../ui/table.css';
import './clients.css';

function Row({ item, online }: { item: PatientListItem; online: 'online' | 'busy' | 'away' | 'offline' | undefined }) {
  const { t, i18n } = useTranslation();
  const now = useNow(60_000);
  const phone = usePhone();
  const name = item.name || t('person.noName');
  const last = item.last_contact_at === null ? t('clients.never') : shortAge(item.last_contact_at, now, i18n.language, t);
  return (
    <tr data-testid="client-row" data-id={item.id}>
      <td>
        <span className="hc-who">
          <Avatar id={item.id} name={name} size={36} presence={online} />
          <span>
            <Link className="hc-row-link" to={`/clients/${item.id}`}>{name}</Link>
            <small>{item.age === null ? '' : t('person.age', { count: item.age })}</small>
          </span>
        </span>
      </td>
      <td className="hc-nowrap">{formatPhone(item.phone)}</td>
      <td>{item.city}</td>
      {!phone && <td className="hc-figures">{item.consultations}</td>}
      <td className="hc-quiet hc-figures">{phone ? `${t('clients.lastContact')}: ${last}` : last}</td>
    </tr>
  );
}

function List({ q }: { q: string }) {
  const { t } = useTranslation();
  const phone = usePhone();
  const query = usePatients(q);
  const items = itemsOf(query.data);
  const presence = usePresence(items.map((item) => item.id));
  if (query.isPending) return <div className="hc-card"><SkeletonRows count={8} height={60} /></div>;
  if (query.isError && items.length === 0) return <Failed error={query.error} retry={() => void query.refetch()} />;
  if (items.length === 0) {
    return q
      ? <Empty icon={iconSearch} title={t('desk.emptySearch')} hint={t('clients.emptySearchHint')} />
      : <Empty icon={iconPeople} title={t('clients.empty')} hint={t('clients.emptyHint')} />;
  }
  const columns = ['name', 'phone', 'city', 'consultations', 'lastContact'] as const;
  return (
    <div className="hc-card hc-table-card">
      <table className="table hc-table hc-linked">
        {!phone && <thead><tr>{columns.map((column) => <th key={column} scope="col">{t(`clients.${column}`)}</th>)}</tr></thead>}
        <tbody>
          {items.map((item) => <Row key={item.id} item={item} online={presence.get(item.id)} />)}
        </tbody>
      </table>
      {query.hasNextPage && (
        <div className="hc-more">
          <CButton color="secondary" variant="outline" disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>{t('state.more')}</CButton>
        </div>
      )}
    </div>
  );
}

/** Everybody who ever asked; the search is in the address. */
export function Clients() {
  const { t } = useTranslation();
  const [params, setParams] = useSearchParams();
  const q = params.get('q') ?? '';
  const search = useCallback((words: string) => {
    setParams(words ? { q: words } : {}, { replace: true });
  }, [setParams]);
  return (
    <>
      <Header title={t('nav.clients')} search={<Search value={q} placeholder={t('search.clients')} onChange={search} />} />
      <div className="hc-page"><List q={q} /></div>
    </>
  );
}

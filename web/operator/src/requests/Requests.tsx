import { CButton, CModal, CModalBody, CModalFooter, CModalHeader, CModalTitle } from '@coreui/react';
import type { Callback } from '@housecall/sdk';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useNavigate, useSearchParams } from 'react-router';

import { itemsOf, type RequestTab, useCallbacks } from '../api/queries';
import { Header } from '../app/Header';
import { Empty, Failed, SkeletonRows } from '../ui/States';
import { iconPhone } from '../ui/icons';
import { usePhone } from '../ui/useMediaQuery';
import { RequestRow } from './RequestRow';
import { type RequestAction, useRequestActions } from './useRequestActions';

import '../ui/table.css';

const TABS: RequestTab[] = ['new', 'in_progress', 'overdue', 'archive'];
const EMPTY: Record<RequestTab, string> = {
  new: 'requests.emptyNew',
  in_progress: 'requests.emptyInProgress',
  overdue: 'requests.emptyOverdue',
  archive: 'requests.emptyArchive',
};

function Filters({ tab }: { tab: RequestTab }) {
  const { t } = useTranslation();
  const counts = useCallbacks('new').data?.pages[0]?.counts;
  const count: Partial<Record<RequestTab, number | undefined>> = {
    new: counts?.new, in_progress: counts?.in_progress, overdue: counts?.overdue,
  };
  return (
    <nav className="hc-filters" aria-label={t('requests.filters')}>
      {TABS.map((each) => (
        <Link
          key={each} to={`/requests?state=${each}`} data-testid={`requests-${each}`}
          className={`hc-filter${each === tab ? ' is-chosen' : ''}`} aria-current={each === tab ? 'page' : undefined}
        >
          {t(`requests.${each}`)}
          {count[each] ? <span className="hc-figures"> {count[each]}</span> : null}
        </Link>
      ))}
    </nav>
  );
}

type CancelProps = { request: Callback | undefined; dismiss: () => void; confirm: () => void };

function CancelDialog({ request, dismiss, confirm }: CancelProps) {
  const { t } = useTranslation();
  return (
    <CModal visible={request !== undefined} onClose={dismiss} alignment="center" aria-labelledby="cancel-title">
      <CModalHeader closeButton={false}><CModalTitle as="h2" id="cancel-title">{t('requests.cancelTitle')}</CModalTitle></CModalHeader>
      <CModalBody>{t('requests.cancelText', { name: request?.patient.name || t('person.noName') })}</CModalBody>
      <CModalFooter>
        <CButton color="secondary" variant="outline" onClick={dismiss}>{t('requests.keep')}</CButton>
        <CButton color="danger" data-testid="request-cancel-confirm" onClick={confirm}>{t('requests.cancel')}</CButton>
      </CModalFooter>
    </CModal>
  );
}

function Table({ tab }: { tab: RequestTab }) {
  const { t } = useTranslation();
  const phone = usePhone();
  const navigate = useNavigate();
  const query = useCallbacks(tab);
  const actions = useRequestActions();
  const [cancelling, setCancelling] = useState<Callback>();
  const items = itemsOf(query.data);
  const act = (request: Callback, action: RequestAction) => {
    if (action === 'cancel') setCancelling(request);
    // Who takes a request wants to call: the buttons are in the other list.
    else actions.mutate({ id: request.id, action }, {
      onSuccess: () => { if (action === 'take') void navigate('/requests?state=in_progress'); },
    });
  };
  if (query.isPending) return <div className="hc-card"><SkeletonRows count={4} height={62} /></div>;
  if (query.isError && items.length === 0) return <Failed error={query.error} retry={() => void query.refetch()} />;
  if (items.length === 0) return <Empty icon={iconPhone} title={t(EMPTY[tab])} hint={t(`${EMPTY[tab]}Hint`)} />;
  const columns = ['client', 'reason', 'when', 'state', 'attempts', 'operator'] as const;
  return (
    <div className="hc-card hc-table-card">
      <table className="table hc-table hc-requests">
        {!phone && (
          <thead>
            <tr>{columns.map((column) => <th key={column} scope="col">{t(`requests.${column}`)}</th>)}</tr>
          </thead>
        )}
        <tbody>
          {items.map((request) => (
            <RequestRow
              key={request.id} request={request} busy={actions.isPending && actions.variables.id === request.id}
              act={(action) => act(request, action)}
            />
          ))}
        </tbody>
      </table>
      {query.hasNextPage && (
        <div className="hc-more">
          <CButton color="secondary" variant="outline" disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>{t('state.more')}</CButton>
        </div>
      )}
      <CancelDialog
        request={cancelling} dismiss={() => setCancelling(undefined)}
        confirm={() => {
          if (cancelling) actions.mutate({ id: cancelling.id, action: 'cancel' });
          setCancelling(undefined);
        }}
      />
    </div>
  );
}

/** Callback requests; the chosen state is in the address. */
export function Requests() {
  const { t } = useTranslation();
  const [params] = useSearchParams();
  const asked = params.get('state');
  const tab = TABS.find((known) => known === asked) ?? 'new';
  return (
    <>
      <Header title={t('nav.requestsTitle')} />
      <div className="hc-page">
        <Filters tab={tab} />
        <Table key={tab} tab={tab} />
      </div>
    </>
  );
}

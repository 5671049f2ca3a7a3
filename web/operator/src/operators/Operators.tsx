import { CButton } from '@coreui/react';
import type { Operator, PresenceStatus } from '@housecall/sdk';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useMe } from '../api/house';
import { usePresence } from '../api/presence';
import { useOperators } from '../api/queries';
import { Header } from '../app/Header';
import { doctorName } from '../chat/useEventWords';
import { Avatar } from '../ui/Avatar';
import { Icon } from '../ui/Icon';
import { iconHeadset, iconPlus } from '../ui/icons';
import { Empty, Failed, SkeletonRows } from '../ui/States';
import { usePhone } from '../ui/useMediaQuery';
import { OperatorDialog } from './OperatorDialog';

import '../ui/table.css';
import './operators.css';

type RowProps = { operator: Operator; presence: PresenceStatus; edit?: (() => void) | undefined };

function Row({ operator, presence, edit }: RowProps) {
  const { t, i18n } = useTranslation();
  const { specialty } = operator;
  return (
    <tr data-testid="operator-row" data-id={operator.id} className={operator.disabled ? 'is-disabled' : ''}>
      <td>
        <span className="hc-who">
          <Avatar id={operator.id} name={operator.name} size={36} presence={operator.disabled ? undefined : presence} />
          <span>
            <strong>{operator.name}</strong>
            <small>{operator.email}</small>
          </span>
        </span>
      </td>
      <td>{t(`operators.roles.${operator.role}`)}</td>
      <td>{specialty ? doctorName(specialty, i18n.language) : ''}</td>
      <td>
        {operator.disabled
          ? <span className="hc-chip">{t('operators.disabled')}</span>
          : <span className="hc-presence"><i className={`hc-status-dot is-${presence}`} />{t(`status.${presence}`)}</span>}
      </td>
      <td className="hc-figures">{operator.active > 0 ? t('transfer.load', { count: operator.active }) : ''}</td>
      {edit && (
        <td className="hc-table-end">
          <CButton color="secondary" variant="outline" data-testid="operator-edit" aria-label={`${t('operators.edit')}: ${operator.name}`} onClick={edit}>
            {t('operators.edit')}
          </CButton>
        </td>
      )}
    </tr>
  );
}

/** Who works here and who is reachable; administrators add, change and disable. */
export function Operators() {
  const { t } = useTranslation();
  const manages = useMe().role === 'admin';
  const phone = usePhone();
  const query = useOperators();
  const presence = usePresence((query.data ?? []).map((operator) => operator.id));
  const [edited, setEdited] = useState<Operator | 'new'>();
  const columns = ['name', 'role', 'specialty', 'presence', 'active'] as const;
  return (
    <>
      <Header
        title={t('nav.operators')}
        search={manages && (
          <CButton color="primary" data-testid="operator-add" onClick={() => setEdited('new')}>
            <Icon icon={iconPlus} size={18} />
            {t('operators.add')}
          </CButton>
        )}
      />
      <div className="hc-page">
        {query.isPending && <div className="hc-card"><SkeletonRows count={5} height={60} /></div>}
        {query.isError && !query.data && <Failed error={query.error} retry={() => void query.refetch()} />}
        {query.data?.length === 0 && <Empty icon={iconHeadset} title={t('operators.empty')} hint={t('operators.emptyHint')} />}
        {query.data && query.data.length > 0 && (
          <div className="hc-card hc-table-card">
            <table className="table hc-table hc-operators">
              {!phone && (
                <thead>
                  <tr>
                    {columns.map((column) => <th key={column} scope="col">{t(`operators.${column}`)}</th>)}
                    {manages && <th scope="col"><span className="visually-hidden">{t('operators.edit')}</span></th>}
                  </tr>
                </thead>
              )}
              <tbody>
                {query.data.map((operator) => (
                  <Row
                    key={operator.id} operator={operator} presence={presence.get(operator.id) ?? operator.presence}
                    edit={manages ? () => setEdited(operator) : undefined}
                  />
                ))}
              </tbody>
            </table>
          </div>
        )}
      </div>
      {edited && <OperatorDialog key={edited === 'new' ? 'new' : edited.id} operator={edited === 'new' ? undefined : edited} dismiss={() => setEdited(undefined)} />}
    </>
  );
}

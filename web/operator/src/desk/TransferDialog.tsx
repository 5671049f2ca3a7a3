import { CButton, CForm, CFormSelect, CModal, CModalBody, CModalFooter, CModalHeader, CModalTitle } from '@coreui/react';
import type { ConsultationTransfer, Operator } from '@housecall/sdk';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useMe } from '../api/house';
import { useOperators, useSpecialties } from '../api/queries';
import { doctorName, fieldName } from '../chat/useEventWords';
import { Avatar } from '../ui/Avatar';
import { Failed, SkeletonRows } from '../ui/States';

import './transfer.css';

type Props = {
  open: boolean;
  busy: boolean;
  dismiss: () => void;
  confirm: (to: ConsultationTransfer) => void;
};

const ORDER = ['online', 'busy', 'away', 'offline'];

/** Colleagues who can hold a consultation, the reachable ones first. */
export function receivers(operators: readonly Operator[], me: string): Operator[] {
  return operators
    .filter((operator) => operator.id !== me && !operator.disabled && operator.role !== 'admin')
    .sort((a, b) => ORDER.indexOf(a.presence) - ORDER.indexOf(b.presence) || a.name.localeCompare(b.name));
}

function Colleagues({ chosen, choose }: { chosen: string | undefined; choose: (id: string) => void }) {
  const { t, i18n } = useTranslation();
  const me = useMe();
  const query = useOperators();
  if (query.isPending) return <SkeletonRows count={3} height={60} />;
  if (query.isError) return <Failed error={query.error} retry={() => void query.refetch()} />;
  const people = receivers(query.data, me.id);
  if (people.length === 0) return <p className="hc-transfer-none">{t('transfer.noOperators')}</p>;
  return (
    <div className="hc-transfer-list" role="radiogroup" aria-label={t('transfer.find')}>
      {people.map((operator) => (
        <label key={operator.id} className="hc-transfer-row" data-testid="transfer-operator" data-id={operator.id}>
          <input type="radio" name="transfer-operator" checked={chosen === operator.id} onChange={() => choose(operator.id)} />
          <Avatar id={operator.id} name={operator.name} size={36} presence={operator.presence} />
          <span>
            <strong>{operator.name}</strong>
            <small>
              {operator.specialty ? doctorName(operator.specialty, i18n.language) : t(`operators.roles.${operator.role}`)}
            </small>
          </span>
          <small>
            {t(`status.${operator.presence}`)}
            {operator.active > 0 && `, ${t('transfer.load', { count: operator.active })}`}
          </small>
        </label>
      ))}
    </div>
  );
}

/** To a colleague, or back to the queue, if need be of another specialty. */
export function TransferDialog({ open, busy, dismiss, confirm }: Props) {
  const { t, i18n } = useTranslation();
  const { data: specialties } = useSpecialties();
  const [way, setWay] = useState<'operator' | 'queue'>('operator');
  const [operator, setOperator] = useState<string>();
  const [specialty, setSpecialty] = useState('');
  const ready = way === 'queue' || operator !== undefined;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (way === 'operator') confirm({ operator: operator ?? null });
    else confirm({ specialty: specialty || null });
  };
  return (
    <CModal visible={open} onClose={dismiss} alignment="center" aria-labelledby="transfer-title">
      <CForm onSubmit={submit}>
        <CModalHeader closeButton={false}><CModalTitle as="h2" id="transfer-title">{t('transfer.title')}</CModalTitle></CModalHeader>
        <CModalBody>
          <div className="hc-segments hc-transfer-ways">
            {(['operator', 'queue'] as const).map((each) => (
              <button key={each} type="button" aria-pressed={way === each} data-testid={`transfer-to-${each}`} onClick={() => setWay(each)}>
                {t(`transfer.${each}`)}
              </button>
            ))}
          </div>
          {way === 'operator' && open && <Colleagues chosen={operator} choose={setOperator} />}
          {way === 'queue' && (
            <CFormSelect aria-label={t('transfer.queue')} value={specialty} data-testid="transfer-specialty" onChange={(event) => setSpecialty(event.target.value)}>
              <option value="">{t('transfer.toQueue')}</option>
              {specialties?.map((each) => (
                <option key={each.code} value={each.code}>{fieldName(each, i18n.language)}</option>
              ))}
            </CFormSelect>
          )}
        </CModalBody>
        <CModalFooter>
          <CButton color="secondary" variant="outline" onClick={dismiss}>{t('state.cancel')}</CButton>
          <CButton type="submit" color="primary" disabled={busy || !ready} data-testid="transfer-confirm">{t('transfer.confirm')}</CButton>
        </CModalFooter>
      </CForm>
    </CModal>
  );
}

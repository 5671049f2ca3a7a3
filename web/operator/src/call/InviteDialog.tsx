import { CButton, CForm, CFormCheck, CModal, CModalBody, CModalFooter, CModalHeader, CModalTitle } from '@coreui/react';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useHouse, useMe } from '../api/house';
import { problemText } from '../api/problems';
import { useOperators } from '../api/queries';
import { doctorName } from '../chat/useEventWords';
import { receivers } from '../desk/TransferDialog';
import { Avatar } from '../ui/Avatar';
import { Failed, SkeletonRows } from '../ui/States';

import '../desk/transfer.css';

type Props = { here: readonly string[]; dismiss: () => void };

function Colleagues({ here, chosen, choose }: { here: readonly string[]; chosen: string | undefined; choose: (id: string) => void }) {
  const { t, i18n } = useTranslation();
  const me = useMe();
  const query = useOperators();
  if (query.isPending) return <SkeletonRows count={3} height={60} />;
  if (query.isError) return <Failed error={query.error} retry={() => void query.refetch()} />;
  const people = receivers(query.data, me.id).filter(({ id }) => !here.includes(id));
  if (people.length === 0) return <p className="hc-transfer-none">{t('call.nobodyToInvite')}</p>;
  return (
    <div className="hc-transfer-list" role="radiogroup" aria-label={t('call.invite')}>
      {people.map((operator) => (
        <label key={operator.id} className="hc-transfer-row" data-testid="invite-operator" data-id={operator.id}>
          <input type="radio" name="invite-operator" checked={chosen === operator.id} onChange={() => choose(operator.id)} />
          <Avatar id={operator.id} name={operator.name} size={36} presence={operator.presence} />
          <span>
            <strong>{operator.name}</strong>
            <small>{operator.specialty ? doctorName(operator.specialty, i18n.language) : t(`operators.roles.${operator.role}`)}</small>
          </span>
          <small>{t(`status.${operator.presence}`)}</small>
        </label>
      ))}
    </div>
  );
}

/** Asks a colleague into the running call, to speak or to listen. */
export function InviteDialog({ here, dismiss }: Props) {
  const { t } = useTranslation();
  const { calls } = useHouse();
  const [chosen, setChosen] = useState<string>();
  const [listens, setListens] = useState(false);
  const [refusal, setRefusal] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!chosen) return;
    setBusy(true);
    calls.invite(chosen, listens ? 'listener' : 'member').then(dismiss, (error: unknown) => {
      setRefusal(error);
      setBusy(false);
    });
  };
  return (
    <CModal visible onClose={dismiss} alignment="center" aria-labelledby="invite-title">
      <CForm onSubmit={submit}>
        <CModalHeader closeButton={false}><CModalTitle as="h2" id="invite-title">{t('call.inviteTitle')}</CModalTitle></CModalHeader>
        <CModalBody>
          <Colleagues here={here} chosen={chosen} choose={setChosen} />
          <CFormCheck id="invite-listens" className="hc-invite-listens" label={t('call.inviteListens')} checked={listens} data-testid="invite-listens" onChange={(event) => setListens(event.target.checked)} />
          {refusal !== undefined && <p className="hc-field-error" role="alert">{problemText(t, refusal)}</p>}
        </CModalBody>
        <CModalFooter>
          <CButton color="secondary" variant="outline" onClick={dismiss}>{t('state.cancel')}</CButton>
          <CButton type="submit" color="primary" disabled={busy || !chosen} data-testid="invite-confirm">{t('call.inviteConfirm')}</CButton>
        </CModalFooter>
      </CForm>
    </CModal>
  );
}

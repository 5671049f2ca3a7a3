import { COffcanvas } from '@coreui/react';
import type { ConsultationSummary } from '@housecall/sdk';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';

import { useConsultation } from '../api/queries';
import { ConversationView } from '../chat/ConversationView';
import { PatientCard } from '../patient/PatientCard';
import { AfterPause, Empty, Failed } from '../ui/States';
import { Splash } from '../app/Splash';
import { Icon } from '../ui/Icon';
import { iconBack, iconTaken } from '../ui/icons';
import { usePhone, useWide } from '../ui/useMediaQuery';
import { CloseDialog } from './CloseDialog';
import { ConsultationHeader } from './ConsultationHeader';
import { TransferDialog } from './TransferDialog';
import { useConsultationActions } from './useConsultationActions';
import type { DeskPlace } from './useDeskPlace';
import { useLost } from './useLost';
import { useWriting } from './useWriting';


type Props = { id: string; place: DeskPlace };

/** Somebody else was faster. */
function Lost({ holder, place }: { holder: string | undefined; place: DeskPlace }) {
  const { t } = useTranslation();
  const words = holder === undefined
    ? t('problem.claimedBySomebody')
    : t('consultation.lost', { name: holder });
  return (
    <section className="hc-pane" role="status" data-testid="claimed-by-other">
      <Empty icon={iconTaken} title={t('consultation.lostTitle')} hint={words}>
        <Link to={place.addressOf('queue')} className="btn btn-outline-secondary">{t('consultation.backToQueue')}</Link>
      </Empty>
    </section>
  );
}

function Opened({ row, place }: { row: ConsultationSummary; place: DeskPlace }) {
  const { t } = useTranslation();
  const wide = useWide();
  const [dialog, setDialog] = useState<'close' | 'transfer' | 'card'>();
  const [finding, setFinding] = useState(false);
  const actions = useConsultationActions(row.id);
  const writing = useWriting(row);
  const lost = useLost(row, actions.claim.error);
  const dismiss = () => setDialog(undefined);
  const claim = () => actions.claim.mutate(undefined, { onSuccess: () => place.go('mine', row.id) });
  if (lost) return <Lost holder={lost.holder} place={place} />;
  return (
    <>
      <section className="hc-pane" aria-label={row.patient.name || t('person.noName')} data-testid="consultation" data-state={row.state}>
        <ConsultationHeader
          row={row} claiming={actions.claim.isPending} claim={claim} back={place.addressOf(place.tab)}
          finding={finding} find={() => setFinding((before) => !before)}
          close={() => setDialog('close')} transfer={() => setDialog('transfer')}
          {...(!wide && { card: () => setDialog('card') })}
        />
        <ConversationView
          id={row.conversation} {...writing} target={place.target}
          finding={finding} stopFinding={() => setFinding(false)}
        />
      </section>
      {wide && <aside className="hc-aside"><PatientCard id={row.patient.id} current={row.id} /></aside>}
      {!wide && (
        <COffcanvas placement="end" visible={dialog === 'card'} onHide={dismiss} className="hc-drawer" aria-label={t('card.label')}>
          {dialog === 'card' && <PatientCard id={row.patient.id} current={row.id} close={dismiss} />}
        </COffcanvas>
      )}
      <CloseDialog
        open={dialog === 'close'} dismiss={dismiss} busy={actions.close.isPending} consultation={row.id}
        confirm={(summary) => actions.close.mutate(summary, {
          onSuccess: () => { dismiss(); place.go('archive', row.id); },
        })}
      />
      <TransferDialog
        open={dialog === 'transfer'} dismiss={dismiss} busy={actions.transfer.isPending}
        confirm={(to) => actions.transfer.mutate(to, {
          onSuccess: () => { dismiss(); place.go('mine'); },
        })}
      />
    </>
  );
}

/** A consultation with its whole conversation and the patient's card. */
export function ConsultationPane({ id, place }: Props) {
  const { t } = useTranslation();
  const phone = usePhone();
  const query = useConsultation(id);
  if (query.data) return <Opened row={query.data} place={place} />;
  return (
    <section className="hc-pane" aria-label={t('chat.messages')}>
      {phone && (
        <Link to={place.addressOf(place.tab)} className="btn btn-icon btn-bare" aria-label={t('state.back')}>
          <Icon icon={iconBack} size={22} />
        </Link>
      )}
      {query.isError
        ? <Failed error={query.error} retry={() => void query.refetch()} />
        : <AfterPause><Splash /></AfterPause>}
    </section>
  );
}

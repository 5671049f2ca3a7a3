import { CButton } from '@coreui/react';
import type { ConsultationSummary } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';

import { useMe } from '../api/house';
import { usePresence } from '../api/presence';
import { useStartCall } from '../call/useStartCall';
import { fieldName } from '../chat/useEventWords';
import { midSentence, wholeNumber } from '../format/text';
import { dayAndClock, waited } from '../format/time';
import { Avatar } from '../ui/Avatar';
import { Icon } from '../ui/Icon';
import { iconBack, iconCard, iconPhone, iconSearch, iconVideo } from '../ui/icons';
import { usePhone } from '../ui/useMediaQuery';
import { useNow } from '../ui/useNow';

import './consultation-header.css';

type Props = {
  row: ConsultationSummary;
  claiming: boolean;
  claim: () => void;
  transfer: () => void;
  close: () => void;
  /** The search in the conversation is open. */
  finding: boolean;
  find: () => void;
  back: string;
  /** Opens the card where it does not stand beside the conversation. */
  card?: () => void;
};

/** `№ 10 482, терапия, открыта сегодня, 19:21`. */
function useSubtitle(row: ConsultationSummary): string {
  const { t, i18n } = useTranslation();
  const now = useNow(10_000);
  const { language } = i18n;
  const parts = [t('consultation.number', { number: wholeNumber(row.number) })];
  if (row.specialty) parts.push(fieldName(row.specialty, language).toLocaleLowerCase(language));
  const when = (at: number) => midSentence(dayAndClock(at, now, language, t), language);
  if (row.state === 'waiting' && row.waiting_since !== null) {
    parts.push(t('consultation.waits', { time: waited(Math.max(0, now - row.waiting_since), t) }));
  } else if (row.closed_at !== null) {
    parts.push(t('consultation.closed', { when: when(row.closed_at) }));
  } else {
    parts.push(t('consultation.opened', { when: when(row.opened_at) }));
  }
  return parts.join(', ');
}

function CallButtons({ row }: { row: ConsultationSummary }) {
  const { t } = useTranslation();
  const call = useStartCall();
  if (!call.free) return null;
  const start = (media: 'audio' | 'video') => () => call.start({ kind: 'consultation', id: row.id }, media);
  return (
    <>
      <CButton color="secondary" variant="outline" className="btn-icon" data-testid="call-audio" aria-label={t('consultation.audio')} title={t('consultation.audio')} onClick={start('audio')}>
        <Icon icon={iconPhone} />
      </CButton>
      <CButton color="primary" className="btn-icon" data-testid="call-video" aria-label={t('consultation.video')} title={t('consultation.video')} onClick={start('video')}>
        <Icon icon={iconVideo} />
      </CButton>
    </>
  );
}

export function ConsultationHeader({ row, claiming, claim, transfer, close, finding, find, back, card }: Props) {
  const { t } = useTranslation();
  const me = useMe();
  const phone = usePhone();
  const presence = usePresence([row.patient.id]);
  const subtitle = useSubtitle(row);
  const name = row.patient.name || t('person.noName');
  const held = row.state === 'active' && row.operator?.id === me.id;
  const title = row.patient.age === null ? name
    : t('person.withAge', { name, age: t('person.age', { count: row.patient.age }) });
  return (
    <header className="hc-pane-header">
      {phone && (
        <Link to={back} className="btn btn-icon btn-bare" aria-label={t('state.back')}><Icon icon={iconBack} size={22} /></Link>
      )}
      <Avatar id={row.patient.id} name={name} presence={presence.get(row.patient.id)} />
      <div className="hc-pane-who">
        <h2 title={title}>{title}</h2>
        <p title={subtitle}>{subtitle}</p>
      </div>
      <CButton
        color="link" className="btn-icon btn-bare" data-testid="find" aria-pressed={finding}
        aria-label={t('find.open')} title={t('find.open')} onClick={find}
      >
        <Icon icon={iconSearch} />
      </CButton>
      <div className="hc-pane-actions">
        {row.state === 'waiting' && (
          <CButton color="primary" data-testid="claim" disabled={claiming} onClick={claim}>
            {t(claiming ? 'consultation.claiming' : 'consultation.claim')}
          </CButton>
        )}
        {held && <CallButtons row={row} />}
        {held && (
          <>
            <CButton color="secondary" variant="outline" data-testid="transfer" onClick={transfer}>{t('consultation.transfer')}</CButton>
            <CButton className="btn-soft" data-testid="close-consultation" onClick={close}>{t('consultation.close')}</CButton>
          </>
        )}
        {card && (
          <CButton color="link" className="btn-icon btn-bare" data-testid="open-card" aria-label={t('consultation.card')} title={t('consultation.card')} onClick={card}>
            <Icon icon={iconCard} size={22} />
          </CButton>
        )}
      </div>
    </header>
  );
}

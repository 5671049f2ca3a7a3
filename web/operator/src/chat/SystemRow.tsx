import type { ChatItem, EndReason, SystemEvent } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';

import { useMe } from '../api/house';
import { wholeNumber } from '../format/text';
import { clock, duration, longDate } from '../format/time';
import { Icon } from '../ui/Icon';
import { iconPhone, iconVideo } from '../ui/icons';
import { useEventWords } from './useEventWords';

import './system-row.css';

type CallEnded = Extract<SystemEvent, { event: 'call_ended' }>;

const TALKED: EndReason[] = ['hung_up', 'connection_lost'];

function CallRecord({ item, event }: { item: ChatItem; event: CallEnded }) {
  const { t, i18n } = useTranslation();
  const own = event.started_by === useMe().id;
  const media = t(`record.${event.media}`);
  const talked = TALKED.includes(event.reason) && event.duration_s > 0;
  return (
    <div className={`hc-record${own ? ' is-own' : ''}`} data-testid="call-record" data-seq={item.seq ?? undefined} data-reason={event.reason}>
      <span className={`hc-record-mark${talked ? '' : ' is-missed'}`}>
        <Icon icon={event.media === 'video' ? iconVideo : iconPhone} size={20} />
      </span>
      <span>
        <strong>{talked ? t('record.talk', { media, duration: duration(event.duration_s, t) }) : media}</strong>
        <small>
          {t(`record.${event.reason}`)}. {t('record.by', { name: event.started_by_name })}
        </small>
        {talked && <Link to={`/calls/${event.call}`} data-testid="call-record-link">{t('record.quality')}</Link>}
      </span>
      <time className="hc-figures">{clock(item.sentAt, i18n.language)}</time>
    </div>
  );
}

/** What the house itself wrote into the conversation. */
export function SystemRow({ item }: { item: ChatItem }) {
  const { t, i18n } = useTranslation();
  const words = useEventWords();
  if (item.body.kind !== 'system') return null;
  const { event } = item.body;
  if (event.event === 'call_ended') return <CallRecord item={item} event={event} />;
  if (event.event === 'consultation_opened') {
    const date = longDate(item.sentAt, Date.now(), i18n.language);
    const values = { number: wholeNumber(event.number), date, specialty: words.specialty(event.specialty) };
    return (
      <h4 className="hc-divider" data-testid="divider" data-seq={item.seq ?? undefined}>
        <span>{t(event.specialty ? 'event.openedFor' : 'event.opened', values)}</span>
      </h4>
    );
  }
  return (
    <div className="hc-pill" data-testid="system" data-seq={item.seq ?? undefined} data-event={event.event}>
      <span>{words.of(event)}, <time className="hc-figures">{clock(item.sentAt, i18n.language)}</time></span>
      {event.event === 'consultation_closed' && event.summary && (
        <p><strong>{t('event.summary')}:</strong> {event.summary}</p>
      )}
    </div>
  );
}

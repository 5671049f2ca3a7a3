import type { ConsultationSummary, PresenceStatus } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';

import type { DeskTab } from '../api/queries';
import { fieldName } from '../chat/useEventWords';
import { MINUTE_MS, shortAge, waited } from '../format/time';
import { Avatar } from '../ui/Avatar';
import { useNow } from '../ui/useNow';
import { waitingTone } from './waiting';

import './queue-row.css';

type Props = {
  row: ConsultationSummary;
  gone: boolean;
  tab: DeskTab;
  chosen: boolean;
  to: string;
  presence: PresenceStatus | undefined;
};

// Minutes are shown, so a look every ten seconds is often enough.
const TICK_MS = 10_000;

function When({ row }: { row: ConsultationSummary }) {
  const { t, i18n } = useTranslation();
  const now = useNow(TICK_MS);
  if (row.state === 'waiting' && row.waiting_since !== null) {
    const wait = Math.max(0, now - row.waiting_since);
    const words = wait < MINUTE_MS ? t('time.now') : waited(wait, t);
    return (
      <span className={`hc-when is-${waitingTone(wait)}`} title={t('desk.waiting', { time: words })} data-tone={waitingTone(wait)}>
        {words}
      </span>
    );
  }
  const at = row.closed_at ?? row.last_message?.sent_at ?? row.claimed_at ?? row.opened_at;
  return <span className="hc-when">{shortAge(at, now, i18n.language, t)}</span>;
}

function useLastWords(row: ConsultationSummary): string {
  const { t } = useTranslation();
  const last = row.last_message;
  if (!last) return t('desk.noWords');
  // The preview of a system message is the name of its event.
  if (last.kind === 'system') return t([`desk.events.${last.preview}`, 'desk.system']);
  const words = last.kind === 'deleted' ? t('chat.deleted') : last.preview || t('desk.photo');
  return last.from === 'operator' ? t('desk.answer', { words }) : words;
}

/** One consultation: how long it waits is the strongest sign, then who, then their last words. */
export function QueueRow({ row, gone, tab, chosen, to, presence }: Props) {
  const { t, i18n } = useTranslation();
  const words = useLastWords(row);
  const name = row.patient.name || t('person.noName');
  const field = row.specialty ? fieldName(row.specialty, i18n.language) : t('desk.general');
  const holder = (tab === 'all' || tab === 'archive') && row.operator ? row.operator.name : undefined;
  const counts = row.unread > 0 && (tab === 'queue' || tab === 'mine');
  return (
    <li>
      <Link
        to={to} className={`hc-row${chosen ? ' is-chosen' : ''}${gone ? ' is-gone' : ''}`}
        data-testid="queue-row" data-id={row.id} aria-current={chosen ? 'true' : undefined}
      >
        <Avatar id={row.patient.id} name={name} presence={presence} />
        <span className="hc-row-words">
          <span className="hc-row-line">
            <strong>{name}</strong>
            <When row={row} />
          </span>
          <span className="hc-row-line">
            <span className="hc-row-last">{words}</span>
            {counts && (
              <span className="hc-count" data-testid="unread" aria-label={t('desk.unread', { count: row.unread })}>
                {row.unread > 99 ? '99+' : row.unread}
              </span>
            )}
          </span>
          <span className="hc-row-chips">
            <span className="hc-chip">{gone ? t('desk.gone') : field}</span>
            {holder && <span className="hc-chip">{holder}</span>}
          </span>
        </span>
      </Link>
    </li>
  );
}

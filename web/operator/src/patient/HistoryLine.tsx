import type { EndReason, HistoryItem } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';

import { doctorName } from '../chat/useEventWords';
import { dayOrClock, duration } from '../format/time';

/** `Кардиолог, видеозвонок 14 мин`. */
function useHistoryWords(item: HistoryItem): { title: string; detail: string } {
  const { t, i18n } = useTranslation();
  if (item.kind === 'call') {
    const media = t(item.media === 'video' ? 'record.video' : 'record.audio');
    return item.duration_s
      ? { title: t('record.talk', { media, duration: duration(item.duration_s, t) }), detail: item.operator?.name ?? '' }
      : { title: media, detail: t(`record.${item.state as EndReason}`) };
  }
  const state = t(`card.state.${item.state}`);
  if (item.kind === 'callback') return { title: t('card.callback'), detail: state };
  const doctor = item.operator?.specialty && doctorName(item.operator.specialty, i18n.language);
  const who = item.operator ? [doctor, item.operator.name].filter(Boolean).join(', ') : undefined;
  return { title: t('card.consultation'), detail: who ? `${who}, ${state}` : state };
}

export function HistoryLine({ item, current }: { item: HistoryItem; current: boolean }) {
  const { i18n } = useTranslation();
  const { title, detail } = useHistoryWords(item);
  const body = (
    <>
      <span>
        <strong>{title}</strong>
        <small>{detail}</small>
      </span>
      <time className="hc-figures">{dayOrClock(item.at, Date.now(), i18n.language)}</time>
    </>
  );
  const tab = item.state === 'closed' ? 'archive' : item.state === 'waiting' ? 'queue' : 'mine';
  return (
    <li data-testid="history-item" data-kind={item.kind}>
      {item.kind === 'consultation' && !current
        ? <Link to={`/consultations/${item.id}?tab=${tab}`}>{body}</Link>
        : <div aria-current={current ? 'true' : undefined}>{body}</div>}
    </li>
  );
}

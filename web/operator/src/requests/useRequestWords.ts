import type { Callback } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

import { dayAndClock, dayOrClock, duration, waited } from '../format/time';
import { foreignClock } from '../format/zone';
import { useNow } from '../ui/useNow';

export type RequestTone = 'new' | 'warn' | 'bad' | 'ok' | 'plain';

/** How a request stands: its word and its colour. */
export function requestState(request: Pick<Callback, 'state' | 'overdue'>): { key: string; tone: RequestTone } {
  if (request.state === 'done') return { key: 'requests.isDone', tone: 'ok' };
  if (request.state === 'cancelled') return { key: 'requests.isCancelled', tone: 'plain' };
  if (request.overdue) return { key: 'requests.isOverdue', tone: 'bad' };
  if (request.state === 'in_progress') return { key: 'requests.isInProgress', tone: 'warn' };
  return { key: 'requests.isNew', tone: 'new' };
}

export function useRequestWords(request: Callback) {
  const { t, i18n } = useTranslation();
  const now = useNow(10_000);
  const { language } = i18n;
  const { key, tone } = requestState(request);
  const open = request.state === 'new' || request.state === 'in_progress';
  const { call_at: at } = request;
  const asap = open
    ? t('requests.asapWaits', { time: waited(Math.max(0, now - request.created_at), t) })
    : t('requests.asap');
  const there = at === null ? undefined : foreignClock(at, request.time_zone, language);
  return {
    state: t(key),
    tone,
    when: at === null ? asap : dayAndClock(at, now, language, t),
    there: there && t('requests.there', there),
    attempts: attemptWords(),
  };

  function attemptWords(): string {
    const count = request.attempts.length;
    const last = request.attempts.reduce<Callback['attempts'][number] | undefined>(
      (newest, each) => (newest && newest.at > each.at ? newest : each), undefined,
    );
    if (!last) return t('requests.noAttempts');
    if (last.outcome === 'hung_up') {
      return t('requests.attemptTalk', { count, duration: duration(last.duration_s, t) });
    }
    const when = dayOrClock(last.at, now, language);
    return t('requests.attemptFailed', { count, outcome: t(`requests.outcome.${last.outcome}`), clock: when });
  }
}

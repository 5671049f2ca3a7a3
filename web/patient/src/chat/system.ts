/** What the house writes into the conversation, in the patient's words. */
import { formatClock, type SystemEvent } from '@housecall/sdk';

import { moment, number } from '../app/format';

type Translate = (key: string, values?: Record<string, unknown>) => string;

export function systemText(event: SystemEvent, t: Translate): string {
  switch (event.event) {
    case 'consultation_opened':
      return t('system.opened', { number: number(event.number) });
    case 'consultation_claimed':
      return t('system.claimed', { name: event.operator_name });
    case 'consultation_transferred':
      return event.operator_name ? t('system.transferred', { name: event.operator_name }) : t('system.requeued');
    case 'consultation_closed':
      return event.summary ? t('system.closed_with', { text: event.summary }) : t('system.closed');
    case 'callback_requested':
      return event.call_at ? t('system.callback_at', { at: moment(event.call_at) }) : t('system.callback');
    case 'callback_done':
      return t('system.callback_done');
    case 'callback_cancelled':
      return t('system.callback_cancelled');
    case 'call_ended':
      return callText(event, t);
  }
}

function callText(event: Extract<SystemEvent, { event: 'call_ended' }>, t: Translate): string {
  const kind = t(event.media === 'video' ? 'system.call_video' : 'system.call_audio');
  if (event.duration_s > 0) return t('system.call_talk', { kind, duration: formatClock(event.duration_s) });
  return t('system.call_missed', { kind, reason: t(`system.reason_${event.reason}`) });
}

import type { Specialty, SystemEvent } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

import { useMe } from '../api/house';
import { useSpecialties } from '../api/queries';
import { midSentence } from '../format/text';
import { dayAndClock, waited } from '../format/time';

/** The field's name in the reader's language: терапия. */
export function fieldName(specialty: Specialty, language: string): string {
  return language.startsWith('en') ? specialty.name_en : specialty.name_ru;
}

/** The doctor's name in the reader's language: терапевт. */
export function doctorName(specialty: Specialty, language: string): string {
  return language.startsWith('en') ? specialty.doctor_en : specialty.doctor_ru;
}

/** System events in words. */
export function useEventWords() {
  const { t, i18n } = useTranslation();
  const me = useMe();
  const { data: specialties } = useSpecialties();
  const specialty = (code: string | null): string => {
    const found = specialties?.find((each) => each.code === code);
    return found ? fieldName(found, i18n.language).toLocaleLowerCase(i18n.language) : (code ?? '');
  };
  const of = (event: SystemEvent): string => {
    switch (event.event) {
      case 'consultation_opened':
      case 'call_ended':
        return '';
      case 'consultation_claimed': {
        const values = { name: event.operator_name, waited: waited(event.waited_s * 1000, t) };
        return t(event.operator === me.id ? 'event.claimedYou' : 'event.claimed', values);
      }
      case 'consultation_transferred':
        if (event.operator_name) return t('event.transferred', { name: event.operator_name });
        return event.specialty
          ? t('event.returnedTo', { specialty: specialty(event.specialty) })
          : t('event.returned');
      case 'consultation_closed':
        return event.operator_name
          ? t('event.closedBy', { name: event.operator_name })
          : t('event.closed');
      case 'callback_requested': {
        const { reason, call_at: at } = event;
        if (at === null) return t('event.callbackRequested', { reason });
        const when = midSentence(dayAndClock(at, Date.now(), i18n.language, t), i18n.language);
        return t('event.callbackAt', { reason, when });
      }
      case 'callback_done':
        return t('event.callbackDone');
      case 'callback_cancelled':
        return t('event.callbackCancelled');
    }
  };
  return { of, specialty };
}

import type { ConsultationSummary } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

import { useMe } from '../api/house';

/** Whether the reader may write, and the words that stand there if not. */
export function useWriting(row: ConsultationSummary): { writable: boolean; readOnly: string } {
  const { t } = useTranslation();
  const me = useMe();
  if (row.state === 'closed') return { writable: false, readOnly: t('consultation.archived') };
  if (row.state === 'waiting') return { writable: false, readOnly: t('consultation.claimToAnswer') };
  if (row.operator?.id === me.id) return { writable: true, readOnly: '' };
  const name = row.operator?.name ?? '';
  return { writable: false, readOnly: t('consultation.notYours', { name }) };
}

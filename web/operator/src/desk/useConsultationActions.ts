import type { ConsultationSummary, ConsultationTransfer } from '@housecall/sdk';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';

import { useHouse } from '../api/house';
import { holderOf, problemText } from '../api/problems';
import { useToast } from '../app/toasts';

/** Taking, handing over and closing; each one's news reach every list. */
export function useConsultationActions(id: string) {
  const { t } = useTranslation();
  const { api } = useHouse();
  const client = useQueryClient();
  const say = useToast();
  const settle = () => client.invalidateQueries({ queryKey: ['consultations'] });
  const keep = (row: ConsultationSummary) => client.setQueryData(['consultation', id], row);
  const complain = (error: Error) => say(problemText(t, error), 'bad');
  const claim = useMutation({
    mutationFn: () => api.claimConsultation(id),
    onSuccess: keep,
    onError: (error) => {
      // Who has it stands in the conversation's place.
      if (!holderOf(error)) complain(error);
    },
    onSettled: settle,
  });
  const close = useMutation({
    mutationFn: (summary: string) => api.closeConsultation(id, { summary }),
    onSuccess: (row) => {
      keep(row);
      say(t('close.done'), 'ok');
    },
    onError: complain,
    onSettled: settle,
  });
  const transfer = useMutation({
    mutationFn: (to: ConsultationTransfer) => api.transferConsultation(id, to),
    onSuccess: (row) => say(
      row.operator ? t('transfer.doneOperator', { name: row.operator.name }) : t('transfer.doneQueue'),
      'ok',
    ),
    onError: complain,
    onSettled: settle,
  });
  return { claim, close, transfer };
}

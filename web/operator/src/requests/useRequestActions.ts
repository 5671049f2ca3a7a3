import type { Callback } from '@housecall/sdk';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';

import { useHouse } from '../api/house';
import { holderOf, problemText } from '../api/problems';
import { useToast } from '../app/toasts';

export type RequestAction = 'take' | 'release' | 'done' | 'cancel';

/** What an operator does with a callback request. */
export function useRequestActions() {
  const { t } = useTranslation();
  const { api } = useHouse();
  const client = useQueryClient();
  const say = useToast();
  return useMutation({
    mutationFn: ({ id, action }: { id: string; action: RequestAction }): Promise<Callback> => {
      switch (action) {
        case 'take':
          return api.takeCallback(id);
        case 'release':
          return api.releaseCallback(id);
        case 'done':
          return api.finishCallback(id);
        case 'cancel':
          return api.cancelCallback(id);
      }
    },
    onError: (error) => {
      const holder = holderOf(error);
      say(holder ? t('requests.lost', { name: holder.name }) : problemText(t, error), 'bad');
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['callbacks'] }),
  });
}

import { formatPhone, type Callback } from '@housecall/sdk';
import { ApiError } from '@housecall/sdk';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';

import { housecall } from '../app/client';
import { doctorTitle, moment, problemText } from '../app/format';
import { Avatar } from '../ui/Avatar';

/** The ordered call: when, about what, who took it, and a way out. */
export function CallbackState({ callback }: { callback: Callback }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => housecall.api.cancelCallback(callback.id),
    onSettled: () => client.invalidateQueries({ queryKey: ['home'] }),
  });
  const { operator } = callback;
  return (
    <section className="card callback-state" data-testid="callback-state" data-state={callback.state}>
      <span className={`chip ${callback.state === 'new' ? 'is-warn' : 'is-ok'}`}>{t(`callback.state_${callback.state}`)}</span>
      <h2>{callback.call_at ? t('callback.will_call_at', { at: moment(callback.call_at) }) : t('callback.will_call')}</h2>
      <p className="row-sub">{t('callback.on_phone', { phone: formatPhone(callback.phone) })}</p>
      <p className="callback-reason-text">{callback.reason}</p>
      {operator && (
        <div className="conclusion-who">
          <Avatar id={operator.id} name={operator.name} />
          <div>
            <p className="row-title">{operator.name}</p>
            <p className="row-sub">{doctorTitle(operator.specialty)}</p>
          </div>
        </div>
      )}
      {callback.attempts.length > 0 && (
        <p className="row-sub">{t('callback.attempts', { count: callback.attempts.length })}</p>
      )}
      {cancel.isError && (
        <p className="field-error" role="alert">
          {cancel.error instanceof ApiError ? problemText(cancel.error.kind) : t('problem.unknown')}
        </p>
      )}
      {callback.state === 'new' && (
        <button
          type="button"
          className="button-danger"
          data-testid="callback-cancel"
          disabled={cancel.isPending}
          onClick={() => cancel.mutate()}
        >
          {t('callback.cancel')}
        </button>
      )}
    </section>
  );
}

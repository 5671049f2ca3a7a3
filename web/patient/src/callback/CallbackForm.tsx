import { ApiError } from '@housecall/sdk';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useId, useState, type FormEvent } from 'react';
import { useTranslation } from 'react-i18next';

import { housecall, useMe } from '../app/client';
import { problemText } from '../app/format';
import { Segments } from '../ui/Segments';
import { earliest, toLocalInput } from './when';

const MAX_REASON = 500;

export function CallbackForm() {
  const { t } = useTranslation();
  const id = useId();
  const me = useMe();
  const client = useQueryClient();
  const [reason, setReason] = useState('');
  const [later, setLater] = useState(false);
  const [at, setAt] = useState(() => toLocalInput(earliest(Date.now())));
  const [error, setError] = useState<string | null>(null);
  const order = useMutation({
    mutationFn: () =>
      housecall.api.createCallback({ reason: reason.trim(), call_at: later ? new Date(at).getTime() : null }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['home'] }),
    onError: (failure) => setError(failure instanceof ApiError ? problemText(failure.kind) : t('problem.unknown')),
  });

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setError(null);
    if (reason.trim() === '') setError(t('callback.reason_missing'));
    else if (later && !(new Date(at).getTime() > Date.now())) setError(t('callback.past'));
    else order.mutate();
  };

  return (
    <form className="callback-form" onSubmit={submit} noValidate>
      <p className="form-lead">{t('callback.lead')}</p>
      <label htmlFor={`${id}-reason`}>{t('callback.reason')}</label>
      <textarea
        id={`${id}-reason`}
        className="field"
        rows={4}
        maxLength={MAX_REASON}
        placeholder={t('callback.reason_hint')}
        data-testid="callback-reason"
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
      <Segments
        legend={t('callback.when')}
        testId="callback"
        value={later ? 'later' : 'now'}
        options={[
          { value: 'now', label: t('callback.now') },
          { value: 'later', label: t('callback.later') },
        ]}
        onChange={(value) => setLater(value === 'later')}
      />
      {later && (
        <label className="stacked">
          {t('callback.at')}
          <input
            className="field"
            type="datetime-local"
            data-testid="callback-at"
            min={toLocalInput(Date.now())}
            value={at}
            onChange={(event) => setAt(event.target.value)}
          />
          <ZoneHint zone={me.time_zone} />
        </label>
      )}
      {error && (
        <p className="field-error" role="alert">
          {error}
        </p>
      )}
      <button type="submit" className="button-primary" data-testid="callback-submit" disabled={order.isPending}>
        {t('callback.order')}
      </button>
    </form>
  );
}

/** Named when the phone's zone is not the one of the profile. */
function ZoneHint({ zone }: { zone: string | null }) {
  const { t } = useTranslation();
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone || zone === here) return null;
  return <span className="field-hint">{t('callback.zone', { zone: here })}</span>;
}

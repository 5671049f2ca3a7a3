import { ApiError } from '@housecall/sdk';
import { useId, useState, type FormEvent } from 'react';
import { useTranslation } from 'react-i18next';

import { housecall } from '../app/client';
import { problemText } from '../app/format';
import { COUNTRIES, RUSSIA, lengthOf, masked, nationalDigits } from './phone';
import type { Sent } from './SignIn';

export function PhoneStep({ ended, onSent }: { ended: boolean; onSent: (sent: Sent) => void }) {
  const { t } = useTranslation();
  const id = useId();
  const [country, setCountry] = useState(RUSSIA);
  const [digits, setDigits] = useState('');
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (digits.length < lengthOf(country)) {
      setError(t('sign_in.phone_short'));
      return;
    }
    const phone = `+${country.prefix}${digits}`;
    setBusy(true);
    setError(null);
    try {
      onSent({ ...(await housecall.session.requestCode(phone)), phone, at: Date.now() });
    } catch (failure) {
      setError(phoneError(failure, t));
      setBusy(false);
    }
  };

  return (
    <form className="form" onSubmit={(event) => void submit(event)} noValidate>
      <h1>{t('sign_in.title')}</h1>
      <p className="form-lead">{t(ended ? 'sign_in.ended' : 'sign_in.lead')}</p>
      <label htmlFor={id}>{t('sign_in.phone')}</label>
      <div className={`phone-field ${error ? 'is-wrong' : ''}`}>
        <select
          aria-label={t('sign_in.country')}
          value={country.iso}
          onChange={(event) => {
            setCountry(COUNTRIES.find((candidate) => candidate.iso === event.target.value) ?? RUSSIA);
            setDigits('');
          }}
        >
          {COUNTRIES.map(({ iso, prefix }) => (
            <option key={iso} value={iso}>
              {`+${prefix} ${iso}`}
            </option>
          ))}
        </select>
        <input
          id={id}
          data-testid="phone-input"
          type="tel"
          inputMode="tel"
          autoComplete="tel"
          autoFocus
          placeholder={masked('0'.repeat(lengthOf(country)), country)}
          value={masked(digits, country)}
          aria-invalid={error !== null}
          aria-describedby={error ? `${id}-error` : undefined}
          onChange={(event) => setDigits(nationalDigits(event.target.value, country))}
        />
      </div>
      {error && (
        <p className="field-error" id={`${id}-error`} role="alert">
          {error}
        </p>
      )}
      <button type="submit" className="button-primary" data-testid="phone-submit" disabled={busy}>
        {t(busy ? 'sign_in.sending' : 'sign_in.send')}
      </button>
      <p className="consent">{t('sign_in.consent')}</p>
    </form>
  );
}

function phoneError(failure: unknown, t: (key: string, values?: Record<string, unknown>) => string): string {
  if (!(failure instanceof ApiError)) return t('problem.unknown');
  const wait = failure.problem?.retry_after_s;
  if (failure.status === 429 && wait) return t('problem.wait', { count: wait });
  return problemText(failure.kind);
}

import { ApiError, formatPhone } from '@housecall/sdk';
import { useEffect, useId, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { housecall, useNow } from '../app/client';
import { problemText } from '../app/format';
import type { Sent } from './SignIn';

interface Props {
  sent: Sent;
  onSent: (sent: Sent) => void;
  onBack: () => void;
}

export function CodeStep({ sent, onSent, onBack }: Props) {
  const { t } = useTranslation();
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [code, setCode] = useState('');
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  useEffect(() => input.current?.focus(), [sent]);

  const verify = async (digits: string) => {
    setBusy(true);
    setError(null);
    try {
      await housecall.session.verifyCode(sent.phone, digits);
    } catch (failure) {
      setError(codeError(failure, t));
      setCode('');
      setBusy(false);
      input.current?.focus();
    }
  };

  const handleCode = (text: string) => {
    const digits = text.replace(/\D/g, '').slice(0, 6);
    setCode(digits);
    if (digits.length === 6 && !busy) void verify(digits);
  };

  return (
    <form
      className="form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        handleCode(code);
      }}
    >
      <h1>{t('code.title')}</h1>
      <p className="form-lead">
        {t('code.lead', { phone: formatPhone(sent.phone) })}{' '}
        <button type="button" className="link" onClick={onBack} data-testid="code-change-phone">
          {t('code.change')}
        </button>
      </p>
      <label htmlFor={id}>{t('code.label')}</label>
      <input
        id={id}
        ref={input}
        className={`code-field ${error ? 'is-wrong' : ''}`}
        data-testid="code-input"
        type="text"
        inputMode="numeric"
        autoComplete="one-time-code"
        maxLength={12}
        value={code}
        readOnly={busy}
        aria-invalid={error !== null}
        aria-describedby={error ? `${id}-error` : undefined}
        onChange={(event) => handleCode(event.target.value)}
      />
      {error && (
        <p className="field-error" id={`${id}-error`} role="alert">
          {error}
        </p>
      )}
      {sent.demo_code && (
        <p className="demo-code">
          {t('code.demo')} <strong data-testid="demo-code">{sent.demo_code}</strong>
        </p>
      )}
      <Resend sent={sent} onSent={onSent} onError={setError} />
    </form>
  );
}

function Resend({ sent, onSent, onError }: Pick<Props, 'sent' | 'onSent'> & { onError: (text: string) => void }) {
  const { t } = useTranslation();
  const left = Math.ceil((sent.at + sent.resend_after_s * 1_000 - useNow(500)) / 1_000);
  if (left > 0) return <p className="resend">{t('code.resend_in', { count: left })}</p>;
  const resend = async () => {
    try {
      onSent({ ...(await housecall.session.requestCode(sent.phone)), phone: sent.phone, at: Date.now() });
    } catch (failure) {
      onError(codeError(failure, t));
    }
  };
  return (
    <button type="button" className="button-quiet" onClick={() => void resend()} data-testid="code-resend">
      {t('code.resend')}
    </button>
  );
}

function codeError(failure: unknown, t: (key: string, values?: Record<string, unknown>) => string): string {
  if (!(failure instanceof ApiError)) return t('problem.unknown');
  const { problem } = failure;
  if (problem?.tries_left !== undefined && problem.tries_left !== null && problem.tries_left > 0) {
    return t('problem.code_tries', { count: problem.tries_left });
  }
  if (failure.status === 429 && problem?.retry_after_s) return t('problem.wait', { count: problem.retry_after_s });
  return problemText(failure.kind);
}

import { ApiError } from '@housecall/sdk';
import { useId, useState, type FormEvent } from 'react';
import { useTranslation } from 'react-i18next';

import { housecall } from '../app/client';
import { problemText } from '../app/format';
import { BrandMark } from '../ui/BrandMark';
import './sign-in.css';

/** Asked once: what the doctor should call the patient. */
export function ProfileStep() {
  const { t } = useTranslation();
  const id = useId();
  const [name, setName] = useState('');
  const [birth, setBirth] = useState('');
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (name.trim().length < 2) {
      setError(t('profile.name_short'));
      return;
    }
    setBusy(true);
    setError(null);
    try {
      const me = await housecall.api.updateMe({
        name: name.trim(),
        time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
        ...(birth ? { birth_date: birth } : {}),
      });
      housecall.session.setMe(me);
    } catch (failure) {
      setError(failure instanceof ApiError ? problemText(failure.kind) : t('problem.unknown'));
      setBusy(false);
    }
  };

  return (
    <main className="sign-in" data-testid="profile-step">
      <div className="sign-in-brand">
        <BrandMark size={48} />
      </div>
      <form className="form" onSubmit={(event) => void submit(event)} noValidate>
        <h1>{t('profile_step.title')}</h1>
        <p className="form-lead">{t('profile_step.lead')}</p>
        <label htmlFor={`${id}-name`}>{t('profile.name')}</label>
        <input
          id={`${id}-name`}
          data-testid="profile-name"
          className="field"
          autoComplete="name"
          autoFocus
          maxLength={120}
          value={name}
          aria-invalid={error !== null}
          onChange={(event) => setName(event.target.value)}
        />
        {error && (
          <p className="field-error" role="alert">
            {error}
          </p>
        )}
        <label htmlFor={`${id}-birth`}>
          {t('profile.birth')} <span className="optional">{t('optional')}</span>
        </label>
        <input
          id={`${id}-birth`}
          data-testid="profile-birth"
          className="field"
          type="date"
          autoComplete="bday"
          min="1900-01-01"
          max={new Date().toISOString().slice(0, 10)}
          value={birth}
          onChange={(event) => setBirth(event.target.value)}
        />
        <button type="submit" className="button-primary" data-testid="profile-submit" disabled={busy}>
          {t('profile_step.save')}
        </button>
      </form>
    </main>
  );
}

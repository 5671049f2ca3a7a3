import { ApiError, type Me } from '@housecall/sdk';
import { useMutation } from '@tanstack/react-query';
import { useState, type FormEvent, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';

import { housecall } from '../app/client';
import { problemText } from '../app/format';
import { zones } from './zones';

export function PersonForm({ me }: { me: Me }) {
  const { t } = useTranslation();
  const [name, setName] = useState(me.name);
  const [birth, setBirth] = useState(me.birth_date ?? '');
  const [city, setCity] = useState(me.city ?? '');
  const [zone, setZone] = useState(me.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone);
  const save = useMutation({
    mutationFn: () =>
      housecall.api.updateMe({
        name: name.trim(),
        city: city.trim(),
        time_zone: zone,
        ...(birth ? { birth_date: birth } : {}),
      }),
    onSuccess: (next) => housecall.session.setMe(next),
  });
  const changed =
    name.trim() !== me.name || birth !== (me.birth_date ?? '') || city.trim() !== (me.city ?? '') || zone !== (me.time_zone ?? '');
  const short = name.trim().length < 2;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!short) save.mutate();
  };
  return (
    <form className="card profile-section" onSubmit={submit} noValidate>
      <Field label={t('profile.name')}>
        <input className="field" autoComplete="name" maxLength={120} data-testid="profile-name" value={name} onChange={(event) => setName(event.target.value)} />
      </Field>
      {short && <p className="field-error">{t('profile.name_short')}</p>}
      <Field label={t('profile.birth')}>
        <input className="field" type="date" min="1900-01-01" max={new Date().toISOString().slice(0, 10)} value={birth} onChange={(event) => setBirth(event.target.value)} />
      </Field>
      <Field label={t('profile.city')}>
        <input className="field" autoComplete="address-level2" maxLength={80} data-testid="profile-city" value={city} onChange={(event) => setCity(event.target.value)} />
      </Field>
      <Field label={t('profile.zone')}>
        <select className="field" value={zone} onChange={(event) => setZone(event.target.value)}>
          {zones(zone).map((option) => (
            <option key={option.id} value={option.id}>
              {option.label}
            </option>
          ))}
        </select>
      </Field>
      {save.isError && (
        <p className="field-error" role="alert">
          {save.error instanceof ApiError ? problemText(save.error.kind) : t('problem.unknown')}
        </p>
      )}
      {changed && (
        <button type="submit" className="button-primary" data-testid="profile-save" disabled={save.isPending || short}>
          {t('profile.save')}
        </button>
      )}
      {save.isSuccess && !changed && (
        <p className="saved" role="status">
          {t('profile.saved')}
        </p>
      )}
    </form>
  );
}

function Field({ label, children }: { label: string; children: ReactNode }) {
  return (
    <label className="stacked">
      {label}
      {children}
    </label>
  );
}

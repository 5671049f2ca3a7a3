import { CAlert, CButton, CForm, CFormFeedback, CFormInput, CFormLabel } from '@coreui/react';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useHouse } from '../api/house';
import { problemText } from '../api/problems';
import { useBrand } from '../api/queries';
import { BrandMark } from '../app/BrandMark';
import { LanguageSwitch } from '../app/LanguageSwitch';
import { type DemoAccount, DemoHints } from './DemoHints';
import { type FieldErrors, checkSignIn, refusalText } from './signInFields';

import './sign-in.css';

function useSignIn() {
  const { t } = useTranslation();
  const { session } = useHouse();
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [errors, setErrors] = useState<FieldErrors>({});
  const [refusal, setRefusal] = useState<string>();
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const found = checkSignIn(email, password);
    setErrors(found);
    setRefusal(undefined);
    if (found.email || found.password) return;
    setBusy(true);
    try {
      await session.login(email.trim(), password);
    } catch (error) {
      setRefusal(refusalText(error) ?? problemText(t, error));
      setBusy(false);
    }
  };
  const fill = (account: DemoAccount) => {
    setEmail(account.email);
    setPassword(account.password);
    setErrors({});
    setRefusal(undefined);
  };
  return { email, setEmail, password, setPassword, errors, refusal, busy, submit, fill };
}

export function SignIn({ ended }: { ended: boolean }) {
  const { t } = useTranslation();
  const { data: brand } = useBrand();
  const [shown, setShown] = useState(false);
  const form = useSignIn();
  return (
    <main className="hc-door">
      <div className="hc-door-top"><LanguageSwitch /></div>
      <section className="hc-door-card hc-card">
        <header className="hc-door-brand">
          <BrandMark size={48} />
          <h1>{brand?.name ?? ' '}</h1>
          <p>{t('auth.title')}</p>
        </header>
        {ended && <CAlert color="warning">{t('auth.expired')}</CAlert>}
        <CForm noValidate onSubmit={(event) => void form.submit(event)}>
          <div className="hc-field">
            <CFormLabel htmlFor="email">{t('auth.email')}</CFormLabel>
            <CFormInput
              id="email" type="email" autoComplete="username" inputMode="email" autoFocus
              data-testid="login-email" value={form.email} invalid={Boolean(form.errors.email)}
              aria-describedby="email-error"
              onChange={(event) => form.setEmail(event.target.value)}
            />
            <CFormFeedback invalid id="email-error">
              {form.errors.email && t(form.errors.email)}
            </CFormFeedback>
          </div>
          <div className="hc-field">
            <CFormLabel htmlFor="password">{t('auth.password')}</CFormLabel>
            <div className="hc-password">
              <CFormInput
                id="password" type={shown ? 'text' : 'password'} autoComplete="current-password"
                data-testid="login-password" value={form.password}
                invalid={Boolean(form.errors.password)} aria-describedby="password-error"
                onChange={(event) => form.setPassword(event.target.value)}
              />
              <button type="button" className="hc-password-eye" aria-pressed={shown} onClick={() => setShown(!shown)}>
                {t(shown ? 'auth.hide' : 'auth.show')}
              </button>
            </div>
            {form.errors.password && (
              <div className="hc-field-error" id="password-error">{t(form.errors.password)}</div>
            )}
          </div>
          {form.refusal && (
            <CAlert color="danger" data-testid="login-error">{form.refusal}</CAlert>
          )}
          <CButton
            type="submit" color="primary" className="hc-door-submit" data-testid="login-submit"
            disabled={form.busy}
          >
            {t(form.busy ? 'auth.signingIn' : 'auth.submit')}
          </CButton>
        </CForm>
      </section>
      {brand?.demo && <DemoHints choose={form.fill} />}
    </main>
  );
}

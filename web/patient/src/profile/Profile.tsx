import { formatPhone } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

import { chooseLanguage } from '../app/i18n';
import { housecall, useMe } from '../app/client';
import { setTheme, useTheme, type Theme } from '../app/preferences';
import { useBrand } from '../app/queries';
import { Page } from '../ui/Page';
import { Devices } from './Devices';
import { PersonForm } from './PersonForm';
import { Segments } from '../ui/Segments';
import './profile.css';

export function Profile() {
  const { t, i18n } = useTranslation();
  const me = useMe();
  const theme = useTheme();
  const { data: brand } = useBrand();
  return (
    <Page title={t('profile.title')} testId="profile">
      <p className="profile-phone">{me.phone && formatPhone(me.phone)}</p>
      <PersonForm me={me} />
      <section className="card profile-section">
        <Segments
          legend={t('profile.language')}
          testId="language"
          value={i18n.language === 'en' ? 'en' : 'ru'}
          options={[
            { value: 'ru', label: 'Русский' },
            { value: 'en', label: 'English' },
          ]}
          onChange={chooseLanguage}
        />
        <Segments
          legend={t('profile.theme')}
          testId="theme"
          value={theme}
          options={(['system', 'light', 'dark'] satisfies Theme[]).map((value) => ({ value, label: t(`profile.theme_${value}`) }))}
          onChange={setTheme}
        />
      </section>
      <Devices />
      {brand?.support_phone && (
        <a className="button-quiet" href={`tel:${brand.support_phone}`}>
          {t('profile.support', { phone: formatPhone(brand.support_phone) })}
        </a>
      )}
      <button type="button" className="button-quiet is-bad" data-testid="sign-out" onClick={() => void housecall.session.signOut()}>
        {t('profile.sign_out')}
      </button>
    </Page>
  );
}

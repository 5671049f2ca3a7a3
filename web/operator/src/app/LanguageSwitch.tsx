import { useTranslation } from 'react-i18next';

import { chooseLanguage, LANGUAGES } from './i18n';

import './segments.css';

export function LanguageSwitch() {
  const { t, i18n } = useTranslation();
  return (
    <div className="hc-segments" role="group" aria-label={t('settings.language')}>
      {LANGUAGES.map((language) => (
        <button
          key={language} type="button" lang={language} data-testid={`language-${language}`}
          aria-pressed={i18n.language === language} onClick={() => chooseLanguage(language)}
        >
          {t(`settings.${language}`)}
        </button>
      ))}
    </div>
  );
}

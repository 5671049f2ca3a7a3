import { useTranslation } from 'react-i18next';

import { chooseTheme, type ThemeChoice, useThemeChoice } from './theme';

import './segments.css';

const CHOICES: ThemeChoice[] = ['system', 'light', 'dark'];

export function ThemeSwitch() {
  const { t } = useTranslation();
  const chosen = useThemeChoice();
  return (
    <div className="hc-segments" role="group" aria-label={t('settings.theme')}>
      {CHOICES.map((choice) => (
        <button
          key={choice} type="button" data-testid={`theme-${choice}`}
          aria-pressed={chosen === choice} onClick={() => chooseTheme(choice)}
        >
          {t(`settings.${choice}`)}
        </button>
      ))}
    </div>
  );
}

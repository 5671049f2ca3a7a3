import i18next from 'i18next';
import { initReactI18next } from 'react-i18next';

import en from '../locales/en.json';
import ru from '../locales/ru.json';
import { readPreference, writePreference } from './preferences';

export const LANGUAGES = ['ru', 'en'] as const;
export type Language = (typeof LANGUAGES)[number];

function firstLanguage(): Language {
  const saved = readPreference('language') ?? navigator.language;
  // Russian first: any other language than English gets it.
  return saved.startsWith('en') ? 'en' : 'ru';
}

/** Plurals follow Intl.PluralRules, which are ICU's. */
export async function startWords(): Promise<void> {
  await i18next.use(initReactI18next).init({
    lng: firstLanguage(),
    fallbackLng: 'ru',
    resources: { ru: { translation: ru }, en: { translation: en } },
    // React escapes what it renders.
    interpolation: { escapeValue: false },
    // Keeps the library's own advertisement out of the console.
    showSupportNotice: false,
  });
  document.documentElement.lang = i18next.language;
}

export function chooseLanguage(language: Language): void {
  writePreference('language', language);
  document.documentElement.lang = language;
  void i18next.changeLanguage(language);
}

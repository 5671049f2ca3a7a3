import i18next from 'i18next';
import { initReactI18next } from 'react-i18next';

import en from '../locales/en.json';
import ru from '../locales/ru.json';
import { saveLanguage, savedLanguage, type Language } from './preferences';

export async function startWords(): Promise<void> {
  const language = savedLanguage();
  document.documentElement.lang = language;
  await i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: 'ru',
    resources: { ru: { translation: ru }, en: { translation: en } },
    // React escapes what it renders.
    interpolation: { escapeValue: false },
    showSupportNotice: false,
  });
}

export function chooseLanguage(language: Language): void {
  saveLanguage(language);
  document.documentElement.lang = language;
  void i18next.changeLanguage(language);
}

export function locale(): string {
  return i18next.language === 'en' ? 'en-GB' : 'ru-RU';
}

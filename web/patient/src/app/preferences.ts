/** Choices of this phone: language and theme. */
import { useSyncExternalStore } from 'react';

export type Theme = 'system' | 'light' | 'dark';
export type Language = 'ru' | 'en';

const listeners = new Set<() => void>();
const dark = globalThis.matchMedia?.('(prefers-color-scheme: dark)');

function read(key: string): string | null {
  try {
    return localStorage.getItem(`housecall.${key}`);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(`housecall.${key}`, value);
  } catch {
    // Kept until the page closes.
  }
}

let theme: Theme = (read('theme') as Theme | null) ?? 'system';

export function savedLanguage(): Language {
  // Russian first: any other language than English gets it.
  return (read('language') ?? navigator.language).startsWith('en') ? 'en' : 'ru';
}

export function saveLanguage(language: Language): void {
  write('language', language);
}

export function setTheme(next: Theme): void {
  theme = next;
  write('theme', next);
  applyTheme();
  for (const listener of listeners) listener();
}

export function useTheme(): Theme {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => theme,
  );
}

export function applyTheme(): void {
  const isDark = theme === 'dark' || (theme === 'system' && dark?.matches === true);
  document.documentElement.dataset['theme'] = isDark ? 'dark' : 'light';
}

dark?.addEventListener('change', applyTheme);

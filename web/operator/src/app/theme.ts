/** Light, dark, or as the system says. */
import { useSyncExternalStore } from 'react';

import { readPreference, writePreference } from './preferences';

export type ThemeChoice = 'system' | 'light' | 'dark';

const listeners = new Set<() => void>();
let choice: ThemeChoice = 'system';

function systemIsDark(): boolean {
  return window.matchMedia('(prefers-color-scheme: dark)').matches;
}

function apply(): void {
  const dark = choice === 'dark' || (choice === 'system' && systemIsDark());
  const theme = dark ? 'dark' : 'light';
  document.documentElement.dataset['theme'] = theme;
  document.documentElement.dataset['coreuiTheme'] = theme;
}

/** Runs before the first render, so that a dark room never flashes white. */
export function startTheme(): void {
  const saved = readPreference('theme');
  if (saved === 'light' || saved === 'dark') choice = saved;
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', apply);
  apply();
}

export function chooseTheme(next: ThemeChoice): void {
  choice = next;
  writePreference('theme', next);
  apply();
  listeners.forEach((notify) => notify());
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useThemeChoice(): ThemeChoice {
  return useSyncExternalStore(subscribe, () => choice);
}

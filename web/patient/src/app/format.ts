/** Times, sizes and names as people read them, in the chosen language. */
import type { Specialty } from '@housecall/sdk';
import i18next from 'i18next';

import { locale } from './i18n';

const DAY_MS = 86_400_000;

export function clock(at: number): string {
  return new Intl.DateTimeFormat(locale(), { hour: '2-digit', minute: '2-digit' }).format(at);
}

function dayStart(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}

/** `Сегодня`, `Вчера`, `12 ноября`, and the year when it is another. */
export function day(at: number, now: number = Date.now()): string {
  const days = Math.round((dayStart(now) - dayStart(at)) / DAY_MS);
  if (days === 0) return i18next.t('time.today');
  if (days === 1) return i18next.t('time.yesterday');
  if (days === -1) return i18next.t('time.tomorrow');
  const otherYear = new Date(at).getFullYear() !== new Date(now).getFullYear();
  return new Intl.DateTimeFormat(locale(), {
    day: 'numeric',
    month: 'long',
    ...(otherYear ? { year: 'numeric' } : {}),
  }).format(at);
}

export function shortDay(at: number): string {
  return new Intl.DateTimeFormat(locale(), { day: 'numeric', month: 'short' }).format(at);
}

/** Relative up to an hour, then the clock, then the date. */
export function ago(at: number, now: number): string {
  const minutes = Math.floor((now - at) / 60_000);
  if (minutes < 1) return i18next.t('time.now');
  if (minutes < 60) return i18next.t('time.minutes_ago', { count: minutes });
  return dayStart(at) === dayStart(now) ? clock(at) : `${day(at, now)}, ${clock(at)}`;
}

/** In the middle of a sentence. */
export function moment(at: number): string {
  const text = day(at);
  return `${text.charAt(0).toLocaleLowerCase()}${text.slice(1)}, ${clock(at)}`;
}

/** A wait as people say it. */
export function wait(seconds: number): string {
  const minutes = Math.max(1, Math.round(seconds / 60));
  return minutes < 60
    ? i18next.t('time.minutes', { count: minutes })
    : i18next.t('time.hours', { count: Math.round(minutes / 60) });
}

export function number(value: number): string {
  // A thin space between thousands, as the house writes numbers.
  return String(value).replace(/\B(?=(\d{3})+$)/g, '\u2009');
}

export function fileSize(bytes: number): string {
  const format = (value: number) => new Intl.NumberFormat(locale(), { maximumFractionDigits: 1 }).format(value);
  if (bytes < 1024 * 1024) return i18next.t('file.kb', { size: format(Math.max(1, Math.round(bytes / 1024))) });
  return i18next.t('file.mb', { size: format(bytes / 1024 / 1024) });
}

export function doctorTitle(specialty: Specialty | null | undefined): string {
  if (!specialty) return i18next.t('doctor.general');
  return i18next.language === 'en' ? specialty.doctor_en : specialty.doctor_ru;
}

/** The problem's word in the reader's language. */
export function problemText(kind: string): string {
  const key = `problem.${kind}`;
  return i18next.exists(key) ? i18next.t(key) : i18next.t('problem.unknown');
}

/**
 * Times as the portal says them: relative up to an hour, then the clock, then
 * the date; the zone is named when it differs from the reader's.
 */

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** What the words need from i18next. */
export type Translate = (key: string, values?: Record<string, unknown>) => string;

const formats = new Map<string, Intl.DateTimeFormat>();

function format(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale} ${JSON.stringify(options)}`;
  let found = formats.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat(locale, options);
    formats.set(key, found);
  }
  return found;
}

/** English dates and clocks follow Britain's order: day before month, 24 hours. */
export function formatLocale(language: string): string {
  return language.startsWith('en') ? 'en-GB' : 'ru-RU';
}

export function clock(at: number, language: string, timeZone?: string): string {
  const options: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', timeZone };
  return format(formatLocale(language), options).format(at);
}

function dayNumber(at: number): number {
  const date = new Date(at);
  return Math.round(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / DAY_MS);
}

function sameDay(a: number, b: number): boolean {
  return dayNumber(a) === dayNumber(b);
}

/** `12 октября`, with the year when it is another one. */
export function longDate(at: number, now: number, language: string): string {
  const otherYear = new Date(at).getFullYear() !== new Date(now).getFullYear();
  const options: Intl.DateTimeFormatOptions = { day: 'numeric', month: 'long' };
  const text = format(formatLocale(language), otherYear ? { ...options, year: 'numeric' } : options);
  return text.format(at).replace(/\s?г\.$/, '');
}

/** `12.10`, with the year when it is another one. */
function shortDate(at: number, now: number, language: string): string {
  const otherYear = new Date(at).getFullYear() !== new Date(now).getFullYear();
  const options: Intl.DateTimeFormatOptions = { day: '2-digit', month: '2-digit' };
  return format(formatLocale(language), otherYear ? { ...options, year: 'numeric' } : options)
    .format(at);
}

/** `19:25` today, `12.10` before. */
export function dayOrClock(at: number, now: number, language: string): string {
  return sameDay(at, now) ? clock(at, language) : shortDate(at, now, language);
}

/** `03.06.1992` from `1992-06-03`: a calendar date, so no zone may shift it. */
export function birthDate(date: string, language: string): string {
  const at = Date.parse(`${date}T00:00:00Z`);
  if (Number.isNaN(at)) return date;
  const options: Intl.DateTimeFormatOptions = {
    day: '2-digit', month: '2-digit', year: 'numeric', timeZone: 'UTC',
  };
  return format(formatLocale(language), options).format(at);
}

/** Heading over the messages of one day. */
export function dayHeading(at: number, now: number, language: string, t: Translate): string {
  const days = dayNumber(now) - dayNumber(at);
  if (days === 0) return t('time.today');
  if (days === 1) return t('time.yesterday');
  return longDate(at, now, language);
}

/** When a row last spoke: `сейчас`, `5 мин`, `19:25`, `12.10`. */
export function shortAge(at: number, now: number, language: string, t: Translate): string {
  const age = Math.max(0, now - at);
  if (age < MINUTE_MS) return t('time.now');
  if (age < HOUR_MS) return t('time.minutes', { count: Math.floor(age / MINUTE_MS) });
  return dayOrClock(at, now, language);
}

/** A length of waiting: `9 мин`, `1 ч 12 мин`, `2 дн.`. */
export function waited(ms: number, t: Translate): string {
  if (ms < MINUTE_MS) return t('time.underMinute');
  if (ms < HOUR_MS) return t('time.minutes', { count: Math.floor(ms / MINUTE_MS) });
  if (ms >= 2 * DAY_MS) return t('time.days', { count: Math.floor(ms / DAY_MS) });
  const hours = t('time.hours', { count: Math.floor(ms / HOUR_MS) });
  const minutes = Math.floor((ms % HOUR_MS) / MINUTE_MS);
  return minutes === 0 ? hours : `${hours} ${t('time.minutes', { count: minutes })}`;
}

/** A length of talk: `2 мин 14 с`. */
export function duration(seconds: number, t: Translate): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts: string[] = [];
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  if (hours > 0) parts.push(t('time.hours', { count: hours }));
  if (minutes > 0) parts.push(t('time.minutes', { count: minutes }));
  if (hours === 0 && (whole % 60 > 0 || minutes === 0)) {
    parts.push(t('time.seconds', { count: whole % 60 }));
  }
  return parts.join(' ');
}

/** `Сегодня, 20:00`, `завтра, 09:00`, `12 октября, 09:00`. */
export function dayAndClock(at: number, now: number, language: string, t: Translate): string {
  const days = dayNumber(at) - dayNumber(now);
  const words: Record<number, string> = {
    [-1]: t('time.yesterday'), 0: t('time.today'), 1: t('time.tomorrow'),
  };
  return `${words[days] ?? longDate(at, now, language)}, ${clock(at, language)}`;
}

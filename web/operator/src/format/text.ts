/** Numbers and sizes as people read them. */
import type { Translate } from './time';
import { formatLocale } from './time';

const THIN_SPACE = '\u202f';

/** `10 482`, with a thin space that does not break. */
export function wholeNumber(value: number): string {
  return String(Math.trunc(value)).replace(/\B(?=(\d{3})+(?!\d))/g, THIN_SPACE);
}

/** `1,4 МБ`. */
export function fileSize(bytes: number, language: string, t: Translate): string {
  const units = ['bytes', 'kilobytes', 'megabytes', 'gigabytes'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit >= 2 && value < 10 ? 1 : 0;
  const text = new Intl.NumberFormat(formatLocale(language), { maximumFractionDigits: digits });
  return t(`size.${units[unit]}`, { value: text.format(value) });
}

/** A phrase as it stands inside a sentence: "Today, 12:00" becomes "today, 12:00", months keep their capital. */
export function midSentence(phrase: string, language: string): string {
  return phrase.charAt(0).toLocaleLowerCase(language) + phrase.slice(1);
}

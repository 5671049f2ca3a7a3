/** Time zones of patients against the reader's own. */
import { clock, formatLocale } from './time';

function part(at: number, locale: string, timeZone: string | undefined, style: Intl.DateTimeFormatOptions['timeZoneName']): string {
  const parts = new Intl.DateTimeFormat(locale, { timeZone, timeZoneName: style }).formatToParts(at);
  return parts.find((found) => found.type === 'timeZoneName')?.value ?? '';
}

function known(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
    return true;
  } catch {
    return false;
  }
}

/** `UTC+3`; nothing for a zone this browser does not know. */
export function zoneOffset(timeZone: string | undefined, at: number): string | undefined {
  if (timeZone !== undefined && !known(timeZone)) return undefined;
  return part(at, 'en', timeZone, 'shortOffset').replace('GMT', 'UTC').replace(/^UTC$/, 'UTC+0');
}

/** The patient's own clock and the name of their zone, when it is another time there. */
export function foreignClock(
  at: number,
  timeZone: string | null | undefined,
  language: string,
  own?: string,
): { clock: string; zone: string } | undefined {
  if (!timeZone || !known(timeZone)) return undefined;
  if (zoneOffset(timeZone, at) === zoneOffset(own, at)) return undefined;
  const zone = part(at, formatLocale(language), timeZone, 'shortGeneric');
  return { clock: clock(at, language, timeZone), zone };
}

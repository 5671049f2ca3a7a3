/** Time zones of the country's patients, with their present distance from UTC. */
import { locale } from '../app/i18n';

const IDS = [
  'Europe/Kaliningrad',
  'Europe/Moscow',
  'Europe/Samara',
  'Asia/Yekaterinburg',
  'Asia/Omsk',
  'Asia/Novosibirsk',
  'Asia/Krasnoyarsk',
  'Asia/Irkutsk',
  'Asia/Yakutsk',
  'Asia/Vladivostok',
  'Asia/Magadan',
  'Asia/Kamchatka',
];

export function zones(current: string): { id: string; label: string }[] {
  const ids = IDS.includes(current) ? IDS : [current, ...IDS];
  return ids.map((id) => ({ id, label: label(id) }));
}

function label(id: string): string {
  const parts = (timeZoneName: 'longGeneric' | 'shortOffset') =>
    new Intl.DateTimeFormat(locale(), { timeZone: id, timeZoneName }).formatToParts().find((part) => part.type === 'timeZoneName')?.value;
  try {
    // «Москва, стандартное время»: the place is enough.
    const place = (parts('longGeneric') ?? id).split(',')[0] ?? id;
    return `${place}, ${parts('shortOffset') ?? ''}`;
  } catch {
    // A zone that this browser's tables do not know.
    return id;
  }
}

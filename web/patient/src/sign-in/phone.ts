/** Phone numbers as people type them: a country, and the rest by its mask. */

export interface Country {
  iso: string;
  prefix: string;
  /** Groups of national digits. */
  groups: number[];
}

/** Russia first; then where its patients' relatives call from. */
export const COUNTRIES: Country[] = [
  { iso: 'RU', prefix: '7', groups: [3, 3, 2, 2] },
  { iso: 'BY', prefix: '375', groups: [2, 3, 2, 2] },
  { iso: 'KZ', prefix: '7', groups: [3, 3, 2, 2] },
  { iso: 'AM', prefix: '374', groups: [2, 3, 3] },
  { iso: 'KG', prefix: '996', groups: [3, 3, 3] },
  { iso: 'UZ', prefix: '998', groups: [2, 3, 2, 2] },
  { iso: 'TJ', prefix: '992', groups: [2, 3, 4] },
];

export const RUSSIA: Country = COUNTRIES[0] ?? { iso: 'RU', prefix: '7', groups: [3, 3, 2, 2] };

export function lengthOf(country: Country): number {
  return country.groups.reduce((sum, group) => sum + group, 0);
}

/** National digits of what was typed or pasted, with or without the country's prefix. */
export function nationalDigits(text: string, country: Country): string {
  const length = lengthOf(country);
  let digits = text.replace(/\D/g, '');
  if (text.trim().startsWith('+') && digits.startsWith(country.prefix)) digits = digits.slice(country.prefix.length);
  else if (digits.length > length && digits.startsWith(country.prefix)) digits = digits.slice(country.prefix.length);
  // The trunk prefix of Russia and Kazakhstan.
  else if (digits.length > length && country.prefix === '7' && digits.startsWith('8')) digits = digits.slice(1);
  return digits.slice(0, length);
}

/** `912 345-67-89`: a space after the code, dashes after that. */
export function masked(digits: string, country: Country): string {
  let rest = digits;
  const parts: string[] = [];
  for (const group of country.groups) {
    if (rest === '') break;
    parts.push(rest.slice(0, group));
    rest = rest.slice(group);
  }
  const [code, next, ...others] = parts;
  return [[code, next].filter(Boolean).join(' '), ...others].join('-');
}

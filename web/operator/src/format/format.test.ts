import { describe, expect, test } from 'vitest';

import { fileSize, midSentence, wholeNumber } from './text';
import { birthDate, dayAndClock, duration, shortAge, waited } from './time';
import { foreignClock, zoneOffset } from './zone';

const t = (key: string, values?: Record<string, unknown>) =>
  values ? `${key}(${Object.values(values).join()})` : key;
const now = new Date(2026, 9, 12, 19, 30).getTime();
const ago = (minutes: number) => now - minutes * 60_000;

describe('the age of a row', () => {
  test.each([
    [0, 'time.now'],
    [5, 'time.minutes(5)'],
    [59, 'time.minutes(59)'],
    [60, '18:30'],
    [24 * 60, '11.10'],
    [400 * 24 * 60, '07.09.2025'],
  ])('%d minutes ago', (minutes, words) => {
    expect(shortAge(ago(minutes), now, 'ru', t)).toBe(words);
  });
});

test('a wait says hours and minutes', () => {
  expect(waited(30_000, t)).toBe('time.underMinute');
  expect(waited(72 * 60_000, t)).toBe('time.hours(1) time.minutes(12)');
  expect(waited(120 * 60_000, t)).toBe('time.hours(2)');
});

test('a talk says minutes and seconds', () => {
  expect(duration(134, t)).toBe('time.minutes(2) time.seconds(14)');
  expect(duration(0, t)).toBe('time.seconds(0)');
  expect(duration(120, t)).toBe('time.minutes(2)');
});

test('an appointed time names its day', () => {
  expect(dayAndClock(now + 30 * 60_000, now, 'ru', t)).toBe('time.today, 20:00');
  expect(dayAndClock(now + 24 * 60 * 60_000, now, 'ru', t)).toBe('time.tomorrow, 19:30');
});

test('a birth date is not shifted by the zone', () => {
  expect(birthDate('1992-06-03', 'ru')).toBe('03.06.1992');
});

test('the zone is named only when the time there is another', () => {
  const noon = Date.UTC(2026, 9, 12, 12);
  expect(zoneOffset('Europe/Moscow', noon)).toBe('UTC+3');
  expect(foreignClock(noon, 'Asia/Yekaterinburg', 'ru', 'Europe/Moscow')?.clock).toBe('17:00');
  expect(foreignClock(noon, 'Europe/Minsk', 'ru', 'Europe/Moscow')).toBeUndefined();
  expect(foreignClock(noon, 'Mars/Olympus', 'ru', 'Europe/Moscow')).toBeUndefined();
});

test('numbers and sizes', () => {
  expect(wholeNumber(10482)).toBe('10\u202f482');
  expect(fileSize(1_468_006, 'ru', t)).toBe('size.megabytes(1,4)');
});

test('only the first letter of a phrase changes inside a sentence', () => {
  expect(midSentence('Сегодня, 12:00', 'ru')).toBe('сегодня, 12:00');
  expect(midSentence('20 November, 12:00', 'en')).toBe('20 November, 12:00');
});

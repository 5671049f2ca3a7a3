/** Times for a `datetime-local` field, which speaks the phone's zone without naming it. */

const QUARTER_MS = 15 * 60_000;

/** An hour from now, on a quarter. */
export function earliest(now: number): number {
  return Math.ceil((now + 60 * 60_000) / QUARTER_MS) * QUARTER_MS;
}

export function toLocalInput(at: number): string {
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** Small formatting that does not depend on the language. */

/** At most two letters, of the first two words. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  return words
    .slice(0, 2)
    .map((word) => [...word][0]?.toLocaleUpperCase() ?? '')
    .join('');
}

/** Each passes 4.5:1 with white text. */
const AVATAR_COLORS = ['#4d5db0', '#a9562b', '#0b7a75', '#7a4a9c', '#97466b', '#3a6ea5', '#5a7227', '#8a5a2b'];

/** The same colour for the same id, everywhere. */
export function avatarColor(id: string): string {
  let sum = 0;
  for (const char of id) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  return AVATAR_COLORS[sum % AVATAR_COLORS.length] ?? '#4d5db0';
}

/** `4:12`, `1:04:12`. */
export function formatClock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** `+7 912 345-67-89` for Russian numbers; others in groups as they are. */
export function formatPhone(e164: string): string {
  const digits = e164.replace(/\D/g, '');
  const match = /^7(\d{3})(\d{3})(\d{2})(\d{2})$/.exec(digits);
  if (match) return `+7 ${match[1]} ${match[2]}-${match[3]}-${match[4]}`;
  return `+${digits}`;
}

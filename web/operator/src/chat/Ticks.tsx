import type { MessageState } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

const WORDS: Partial<Record<MessageState, string>> = {
  waiting: 'chat.waiting',
  sending: 'chat.waiting',
  sent: 'chat.sent',
  delivered: 'chat.delivered',
  read: 'chat.read',
};

const CLOCK = 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8ZM8 4.6V8l2.3 1.5';
const ONE = 'm3 8.6 3.2 3.2 6.6-7.2';
const TWO = 'm1 8.6 3.2 3.2 6.6-7.2M8.6 11.2l.6.6 6-6.6';

/** How far a message has come: one mark sent, two delivered, two bright ones read. */
export function Ticks({ state }: { state: MessageState }) {
  const { t } = useTranslation();
  const words = WORDS[state];
  if (!words) return null;
  const still = state === 'waiting' || state === 'sending';
  const path = still ? CLOCK : state === 'sent' ? ONE : TWO;
  return (
    <svg className={`hc-ticks is-${state}`} viewBox="0 0 16 16" width="16" height="16" role="img" aria-label={t(words)}>
      <title>{t(words)}</title>
      <path d={path} />
    </svg>
  );
}

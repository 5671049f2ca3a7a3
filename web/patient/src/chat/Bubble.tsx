import { IonIcon } from '@ionic/react';
import type { ChatItem } from '@housecall/sdk';
import { alertCircleOutline, checkmarkDoneOutline, checkmarkOutline, timeOutline } from 'ionicons/icons';
import { useTranslation } from 'react-i18next';

import { clock, problemText } from '../app/format';
import { Attachment } from './Attachment';

interface Props {
  item: ChatItem;
  first: boolean;
  last: boolean;
  onRetry?: ((id: string) => void) | undefined;
  onDiscard?: ((id: string) => void) | undefined;
}

/** One message, own on the right. */
export function Bubble({ item, first, last, onRetry, onDiscard }: Props) {
  const { t } = useTranslation();
  const failed = item.state === 'failed';
  return (
    <article
      className={`bubble-row ${item.own ? 'is-own' : ''} ${first ? 'is-first' : ''}`}
      data-testid="message"
      data-seq={item.seq ?? ''}
      data-state={item.state}
      data-own={item.own}
      aria-label={item.own ? t('chat.you') : (item.senderName ?? undefined)}
    >
      <div className={`bubble ${last ? 'is-last' : ''} ${item.state === 'waiting' ? 'is-waiting' : ''} ${failed ? 'is-failed' : ''}`}>
        <Content item={item} />
        {(last || !settled(item)) && (
          <footer className="bubble-foot">
            {item.state === 'waiting' ? <span>{t('chat.waiting')}</span> : <time>{clock(item.sentAt)}</time>}
            <Mark item={item} />
          </footer>
        )}
      </div>
      {failed && item.clientMessageId && (
        <div className="bubble-failed" role="alert">
          <span>{t('chat.failed', { reason: problemText(item.error ?? '') })}</span>
          <button type="button" className="link" data-testid="message-retry" onClick={() => onRetry?.(item.clientMessageId ?? '')}>
            {t('chat.retry')}
          </button>
          <button type="button" className="link" data-testid="message-discard" onClick={() => onDiscard?.(item.clientMessageId ?? '')}>
            {t('chat.discard')}
          </button>
        </div>
      )}
    </article>
  );
}

/** Nothing more is to be said about it than about the last of its group. */
function settled(item: ChatItem): boolean {
  return item.state === 'received' || item.state === 'delivered' || item.state === 'read';
}

function Content({ item }: { item: ChatItem }) {
  const { body } = item;
  if (body.kind === 'text') return <p className="bubble-text">{body.text}</p>;
  if (body.kind !== 'file' && body.kind !== 'pending_file') return null;
  return (
    <>
      <Attachment body={body} own={item.own} />
      {body.caption && <p className="bubble-text">{body.caption}</p>}
    </>
  );
}

const MARKS = {
  waiting: timeOutline,
  sending: timeOutline,
  failed: alertCircleOutline,
  sent: checkmarkOutline,
  delivered: checkmarkDoneOutline,
  read: checkmarkDoneOutline,
} as const;

function Mark({ item }: { item: ChatItem }) {
  const { t } = useTranslation();
  if (item.state === 'received') return null;
  return <IonIcon className={`mark is-${item.state}`} icon={MARKS[item.state]} aria-label={t(`chat.state_${item.state}`)} />;
}

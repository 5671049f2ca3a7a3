import { IonIcon } from '@ionic/react';
import { marked, type ChatItem } from '@housecall/sdk';
import {
  alertCircleOutline,
  banOutline,
  checkmarkDoneOutline,
  checkmarkOutline,
  ellipsisVerticalOutline,
  timeOutline,
} from 'ionicons/icons';
import { useTranslation } from 'react-i18next';

import { clock, problemText } from '../app/format';
import { Marked } from '../ui/Marked';
import { Attachment } from './Attachment';
import { Quoted } from './Quoted';
import { useLongPress } from './useLongPress';

export interface BubbleActions {
  onRetry?: ((id: string) => void) | undefined;
  onDiscard?: ((id: string) => void) | undefined;
  /** Asks what to do with a message; absent where nothing can be done. */
  onMenu?: ((item: ChatItem) => void) | undefined;
  /** Shows the message with this seq. */
  onReveal?: ((seq: number) => void) | undefined;
}

interface Props extends BubbleActions {
  item: ChatItem;
  first: boolean;
  last: boolean;
  /** Words that were looked for. */
  words?: readonly string[] | undefined;
}

const NONE: readonly string[] = [];

/** One message, own on the right. A long press, a right click or its button open its menu. */
export function Bubble({ item, first, last, words = NONE, onRetry, onDiscard, onMenu, onReveal }: Props) {
  const { t } = useTranslation();
  const failed = item.state === 'failed';
  const deleted = item.body.kind === 'deleted';
  const changing = item.change !== null && item.change.state !== 'failed';
  const openMenu = onMenu && !deleted ? () => onMenu(item) : undefined;
  const press = useLongPress(openMenu);
  return (
    <article
      className={`bubble-row ${item.own ? 'is-own' : ''} ${first ? 'is-first' : ''}`}
      data-testid="message"
      data-seq={item.seq ?? ''}
      data-state={item.state}
      data-kind={item.body.kind}
      data-own={item.own}
      data-change={item.change?.state}
      aria-label={item.own ? t('chat.you') : (item.senderName ?? undefined)}
    >
      <div className="bubble-line">
        <div
          className={`bubble ${last ? 'is-last' : ''} ${item.state === 'waiting' || changing ? 'is-waiting' : ''} ${failed ? 'is-failed' : ''} ${deleted ? 'is-deleted' : ''}`}
          {...press}
        >
          {item.replyTo && <Quoted quote={item.replyTo} onReveal={onReveal} />}
          <Content item={item} words={words} />
          {(last || !settled(item)) && <Foot item={item} changing={changing} />}
        </div>
        {openMenu && (
          <button
            type="button"
            className="bubble-more"
            aria-label={t('chat.message_menu')}
            data-testid="message-menu"
            onClick={openMenu}
          >
            <IonIcon icon={ellipsisVerticalOutline} aria-hidden="true" />
          </button>
        )}
      </div>
      {failed && item.clientMessageId && (
        <Trouble
          text={t('chat.failed', { reason: problemText(item.error ?? '') })}
          id={item.clientMessageId}
          onRetry={onRetry}
          onDiscard={onDiscard}
        />
      )}
      {item.change?.state === 'failed' && (
        <Trouble
          text={t(item.change.kind === 'edit' ? 'chat.edit_failed' : 'chat.delete_failed', {
            reason: item.change.error === 'conflict' ? t('chat.change_late') : problemText(item.change.error ?? ''),
          })}
          id={item.change.id}
          onDiscard={onDiscard}
        />
      )}
    </article>
  );
}

/** Nothing more is to be said about it than about the last of its group. */
function settled(item: ChatItem): boolean {
  if (item.editedAt !== null || item.change !== null) return false;
  return item.state === 'received' || item.state === 'delivered' || item.state === 'read';
}

function Foot({ item, changing }: { item: ChatItem; changing: boolean }) {
  const { t } = useTranslation();
  const edited = (item.editedAt !== null || item.change?.kind === 'edit') && item.body.kind !== 'deleted';
  return (
    <footer className="bubble-foot">
      {edited && <span data-testid="edited">{t('chat.edited')}</span>}
      {item.state === 'waiting' ? <span>{t('chat.waiting')}</span> : <time>{clock(item.sentAt)}</time>}
      {changing ? (
        <IonIcon className="mark" icon={timeOutline} aria-label={t('chat.state_sending')} />
      ) : (
        item.body.kind !== 'deleted' && <Mark item={item} />
      )}
    </footer>
  );
}

function Content({ item, words }: { item: ChatItem; words: readonly string[] }) {
  const { t } = useTranslation();
  const { body } = item;
  switch (body.kind) {
    case 'text':
      return <p className="bubble-text"><Marked parts={marked(body.text, words)} /></p>;
    case 'deleted':
      return (
        <p className="bubble-deleted">
          <IonIcon icon={banOutline} aria-hidden="true" />
          {t('chat.deleted')}
        </p>
      );
    case 'file':
    case 'pending_file':
      return (
        <>
          <Attachment body={body} own={item.own} words={words} />
          {body.caption && <p className="bubble-text"><Marked parts={marked(body.caption, words)} /></p>}
        </>
      );
    // Patients see neither.
    case 'note':
    case 'deleted_note':
    case 'system':
    case 'hidden':
      return null;
  }
}

interface TroubleProps extends Pick<BubbleActions, 'onRetry' | 'onDiscard'> {
  text: string;
  id: string;
}

function Trouble({ text, id, onRetry, onDiscard }: TroubleProps) {
  const { t } = useTranslation();
  return (
    <div className="bubble-failed" role="alert">
      <span>{text}</span>
      {onRetry && (
        <button type="button" className="link" data-testid="message-retry" onClick={() => onRetry(id)}>
          {t('chat.retry')}
        </button>
      )}
      <button type="button" className="link" data-testid="message-discard" onClick={() => onDiscard?.(id)}>
        {t(onRetry ? 'chat.discard' : 'chat.understood')}
      </button>
    </div>
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

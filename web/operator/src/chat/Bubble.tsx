import { type ChatItem, type Conversation, type FileView, marked } from '@housecall/sdk';
import type { MouseEvent } from 'react';
import { useTranslation } from 'react-i18next';

import { refusalText } from '../api/problems';
import { clock } from '../format/time';
import { Icon } from '../ui/Icon';
import { iconForbidden, iconMore, iconWarning } from '../ui/icons';
import { Marked } from '../ui/Marked';
import { FileBody, PendingFileBody } from './FileBody';
import type { MenuPlace } from './MessageMenu';
import { Quoted } from './Quoted';
import { Ticks } from './Ticks';

import './bubble.css';

/** One whose bytes can be had: only such a bubble is all picture. */
const isPicture = (file: FileView) => file.state === 'ready' && file.media_type.startsWith('image/');

const NONE: readonly string[] = [];

export type BubbleProps = {
  item: ChatItem;
  first: boolean;
  last: boolean;
  /** Words that were looked for. */
  words?: readonly string[] | undefined;
  view: (file: string) => void;
  menu: (place: MenuPlace) => void;
  reveal: (seq: number) => void;
  conversation: Conversation;
};

function Body({ item, view, words = NONE }: Pick<BubbleProps, 'item' | 'view' | 'words'>) {
  const { t } = useTranslation();
  const { body } = item;
  switch (body.kind) {
    case 'text':
    case 'note':
      return <p className="hc-words"><Marked parts={marked(body.text, words)} /></p>;
    case 'deleted':
    case 'deleted_note':
      return <p className="hc-words hc-deleted"><Icon icon={iconForbidden} size={16} />{t('chat.deleted')}</p>;
    case 'file':
      return <FileBody file={body.file} caption={body.caption} view={view} words={words} />;
    case 'pending_file':
      return <PendingFileBody file={body} />;
    case 'system':
    case 'hidden':
      return null;
  }
}

function Refused({ item, conversation }: { item: ChatItem; conversation: Conversation }) {
  const { t } = useTranslation();
  const id = item.clientMessageId;
  if (id === null) return null;
  return (
    <div className="hc-refused" role="alert">
      <Icon icon={iconWarning} size={16} />
      <span>{refusalText(t, item.error) ?? t('chat.failed')}</span>
      <button type="button" onClick={() => conversation.retry(id)}>{t('chat.retry')}</button>
      <button type="button" onClick={() => conversation.discard(id)}>{t('chat.discard')}</button>
    </div>
  );
}

/** An edit or a deletion that the house refused; the message says what it said before. */
function RefusedChange({ item, conversation }: { item: ChatItem; conversation: Conversation }) {
  const { t } = useTranslation();
  const { change } = item;
  if (change?.state !== 'failed') return null;
  const what = t(change.kind === 'edit' ? 'chat.editFailed' : 'chat.deleteFailed');
  const why = change.error === 'conflict' ? t('chat.changeRefused') : refusalText(t, change.error) ?? '';
  return (
    <div className="hc-refused" role="alert" data-testid="change-refused">
      <Icon icon={iconWarning} size={16} />
      <span>{`${what} ${why}`}</span>
      <button type="button" onClick={() => conversation.discard(change.id)}>{t('state.close')}</button>
    </div>
  );
}

const isDeleted = ({ body }: ChatItem) => body.kind === 'deleted' || body.kind === 'deleted_note';
const isNote = ({ body }: ChatItem) => body.kind === 'note' || body.kind === 'deleted_note';

function isEdited(item: ChatItem): boolean {
  const { change } = item;
  return !isDeleted(item) && (item.editedAt !== null || (change?.kind === 'edit' && change.state !== 'failed'));
}

function Stamp({ item }: { item: ChatItem }) {
  const { t, i18n } = useTranslation();
  const { body, change } = item;
  const ticks = item.own && body.kind !== 'note' && !isDeleted(item);
  return (
    <span className="hc-stamp">
      {isEdited(item) && <span data-testid="edited">{t('chat.edited')}</span>}
      <time dateTime={new Date(item.sentAt).toISOString()}>{clock(item.sentAt, i18n.language)}</time>
      {change && change.state !== 'failed' ? <Ticks state={change.state} /> : ticks && <Ticks state={item.state} />}
    </span>
  );
}

/** One message; colleagues are named, since several may have written to one patient. */
export function Bubble({ item, first, last, words, view, menu, reveal, conversation }: BubbleProps) {
  const { t } = useTranslation();
  const staff = item.senderKind === 'operator' || item.own;
  const side = isNote(item) ? 'is-note' : staff ? 'is-staff' : 'is-patient';
  const picture = item.body.kind === 'file' && isPicture(item.body.file) && !item.body.caption && !item.replyTo;
  const deleted = isDeleted(item);
  const onContextMenu = (event: MouseEvent<HTMLElement>) => {
    // The browser's own menu stays where something is selected.
    if (deleted || window.getSelection()?.toString()) return;
    event.preventDefault();
    const from = event.currentTarget.querySelector<HTMLElement>('.hc-bubble-more');
    // Of the keyboard's menu key: there is no pointer.
    const box = (from ?? event.currentTarget).getBoundingClientRect();
    const keyed = event.clientX === 0 && event.clientY === 0;
    menu({ item, x: keyed ? box.left : event.clientX, y: keyed ? box.bottom : event.clientY, from });
  };
  return (
    <div
      className={`hc-bubble-row ${side}${first ? ' is-first' : ''}${last ? ' is-last' : ''}`}
      data-testid="message" data-seq={item.seq ?? undefined} data-state={item.state}
      data-kind={item.body.kind} data-change={item.change?.state}
    >
      {first && staff && !item.own && <span className="hc-colleague">{item.senderName}</span>}
      <div className="hc-bubble-line" onContextMenu={onContextMenu}>
        <div className={`hc-bubble${picture ? ' is-picture' : ''}${deleted ? ' is-deleted' : ''}${isEdited(item) ? ' is-edited' : ''}`}>
          {item.body.kind === 'note' && <strong className="hc-note-head">{t('chat.note')}</strong>}
          {item.replyTo && <Quoted quote={item.replyTo} reveal={reveal} />}
          <Body item={item} view={view} words={words} />
          <Stamp item={item} />
        </div>
        {!deleted && (
          <button
            type="button" className="hc-bubble-more" data-testid="message-menu" aria-haspopup="menu"
            aria-label={t('chat.menu')} title={t('chat.menu')}
            onClick={({ currentTarget }) => {
              const box = currentTarget.getBoundingClientRect();
              menu({ item, x: box.left, y: box.bottom + 4, from: currentTarget });
            }}
          >
            <Icon icon={iconMore} size={18} />
          </button>
        )}
      </div>
      {item.state === 'failed' && <Refused item={item} conversation={conversation} />}
      <RefusedChange item={item} conversation={conversation} />
    </div>
  );
}

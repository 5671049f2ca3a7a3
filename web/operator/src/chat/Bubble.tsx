import type { FileView, ChatItem, Conversation } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

import { refusalText } from '../api/problems';
import { clock } from '../format/time';
import { Icon } from '../ui/Icon';
import { iconWarning } from '../ui/icons';
import { FileBody, PendingFileBody } from './FileBody';
import { Ticks } from './Ticks';

import './bubble.css';

/** One whose bytes can be had: only such a bubble is all picture. */
const isPicture = (file: FileView) => file.state === 'ready' && file.media_type.startsWith('image/');

type Props = {
  item: ChatItem;
  first: boolean;
  last: boolean;
  view: (file: string) => void;
  conversation: Conversation;
};

function Body({ item, view }: { item: ChatItem; view: (file: string) => void }) {
  const { t } = useTranslation();
  const { body } = item;
  switch (body.kind) {
    case 'text':
      return <p className="hc-words">{body.text}</p>;
    case 'note':
      return (
        <>
          <strong className="hc-note-head">{t('chat.note')}</strong>
          <p className="hc-words">{body.text}</p>
        </>
      );
    case 'file':
      return <FileBody file={body.file} caption={body.caption} view={view} />;
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

/** One message; colleagues are named, since several may have written to one patient. */
export function Bubble({ item, first, last, view, conversation }: Props) {
  const { i18n } = useTranslation();
  const staff = item.senderKind === 'operator' || item.own;
  const side = item.body.kind === 'note' ? 'is-note' : staff ? 'is-staff' : 'is-patient';
  const picture = item.body.kind === 'file' && isPicture(item.body.file) && !item.body.caption;
  return (
    <div
      className={`hc-bubble-row ${side}${first ? ' is-first' : ''}${last ? ' is-last' : ''}`}
      data-testid="message" data-seq={item.seq ?? undefined} data-state={item.state}
      data-kind={item.body.kind}
    >
      {first && staff && !item.own && <span className="hc-colleague">{item.senderName}</span>}
      <div className={`hc-bubble${picture ? ' is-picture' : ''}`}>
        <Body item={item} view={view} />
        <span className="hc-stamp">
          <time dateTime={new Date(item.sentAt).toISOString()}>{clock(item.sentAt, i18n.language)}</time>
          {item.own && item.body.kind !== 'note' && <Ticks state={item.state} />}
        </span>
      </div>
      {item.state === 'failed' && <Refused item={item} conversation={conversation} />}
    </div>
  );
}

import { type Conversation, type ConversationSnapshot, timeline } from '@housecall/sdk';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';

import { dayHeading } from '../format/time';
import { Icon } from '../ui/Icon';
import { iconDown } from '../ui/icons';
import { useNow } from '../ui/useNow';
import { Bubble } from './Bubble';
import { SystemRow } from './SystemRow';
import { useReading } from './useReading';
import { useThreadScroll } from './useThreadScroll';

import './message-list.css';

type Props = {
  conversation: Conversation;
  snapshot: ConversationSnapshot;
  /** What is seen counts as read. */
  reads: boolean;
  view: (file: string) => void;
};

export function MessageList({ conversation, snapshot, reads, view }: Props) {
  const { t, i18n } = useTranslation();
  const now = useNow(60_000);
  const items = useMemo(
    () => snapshot.items.filter((item) => item.body.kind !== 'hidden'),
    [snapshot.items],
  );
  const rows = useMemo(() => timeline(items), [items]);
  const scroll = useThreadScroll(conversation, snapshot, items);
  useReading(conversation, snapshot, reads && scroll.atBottom);
  return (
    <div className="hc-messages-frame">
      <div
        ref={scroll.box} className="hc-messages" role="log" aria-label={t('chat.messages')} tabIndex={0}
        onScroll={scroll.onScroll} data-testid="messages"
      >
        {snapshot.hasOlder
          ? <button type="button" className="hc-earlier" disabled={snapshot.loadingOlder} onClick={() => void conversation.loadOlder()}>{t('chat.earlier')}</button>
          : <p className="hc-pill is-quiet">{t('chat.beginning')}</p>}
        {rows.map((row) => {
          if (row.kind === 'day') {
            return <h3 key={row.key} className="hc-day">{dayHeading(row.at, now, i18n.language, t)}</h3>;
          }
          if (row.kind === 'message') {
            return (
              <Bubble
                key={row.key} item={row.item} first={row.first} last={row.last} view={view}
                conversation={conversation}
              />
            );
          }
          return <SystemRow key={row.key} item={row.item} />;
        })}
        {snapshot.typing.length > 0 && (
          <p className="hc-typing" data-testid="typing">
            {t('chat.typing', { name: snapshot.typing.map((who) => who.name || t('person.noName')).join(', ') })}
            <i /><i /><i />
          </p>
        )}
      </div>
      {!scroll.atBottom && (
        <button type="button" className="hc-newest" data-testid="jump-newest" onClick={scroll.toNewest}>
          <Icon icon={iconDown} size={18} />
          <span className="visually-hidden">{t('chat.newest')}</span>
          {snapshot.unread > 0 && <span className="hc-count">{snapshot.unread}</span>}
        </button>
      )}
    </div>
  );
}

import { type Conversation, type ConversationSnapshot, timeline } from '@housecall/sdk';
import { useEffect, useEffectEvent, useMemo } from 'react';
import { useTranslation } from 'react-i18next';

import { useToast } from '../app/toasts';
import { dayHeading } from '../format/time';
import { Icon } from '../ui/Icon';
import { iconDown } from '../ui/icons';
import { useNow } from '../ui/useNow';
import { Bubble } from './Bubble';
import type { MenuPlace } from './MessageMenu';
import { SystemRow } from './SystemRow';
import { useReading } from './useReading';
import { useThreadScroll } from './useThreadScroll';

import './message-list.css';

/** A message that is to be seen in its place. */
export type Shown = {
  seq: number;
  /** Another one each time it is asked for. */
  key: string;
};

type Props = {
  conversation: Conversation;
  snapshot: ConversationSnapshot;
  /** What is seen counts as read. */
  reads: boolean;
  view: (file: string) => void;
  menu: (place: MenuPlace) => void;
  reveal: (seq: number) => void;
  shown: Shown | undefined;
  /** Words found in messages, by seq. */
  found: ReadonlyMap<number, readonly string[]>;
};

/** Loads back to the message and brings it into view. */
function useShown(conversation: Conversation, shown: Shown | undefined, show: (seq: number) => boolean) {
  const { t } = useTranslation();
  const say = useToast();
  const missed = useEffectEvent(() => say(t('chat.outOfReach'), 'bad'));
  const { seq, key } = shown ?? { seq: 0, key: '' };
  useEffect(() => {
    if (seq === 0) return undefined;
    let wanted = true;
    void conversation.reveal(seq).then((held) => {
      // The rows are rendered by the next frame.
      requestAnimationFrame(() => {
        if (wanted && !(held && show(seq))) missed();
      });
    });
    return () => {
      wanted = false;
    };
  }, [conversation, seq, key, show]);
}

export function MessageList({ conversation, snapshot, reads, view, menu, reveal, shown, found }: Props) {
  const { t, i18n } = useTranslation();
  const now = useNow(60_000);
  const items = useMemo(
    () => snapshot.items.filter((item) => item.body.kind !== 'hidden'),
    [snapshot.items],
  );
  const rows = useMemo(() => timeline(items), [items]);
  const scroll = useThreadScroll(conversation, snapshot, items);
  useShown(conversation, shown, scroll.show);
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
                key={row.key} item={row.item} first={row.first} last={row.last} view={view} menu={menu} reveal={reveal}
                words={row.item.seq === null ? undefined : found.get(row.item.seq)}
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

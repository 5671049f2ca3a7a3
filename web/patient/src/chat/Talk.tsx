import { IonIcon, IonToast } from '@ionic/react';
import type { ChatItem } from '@housecall/sdk';
import { arrowDownOutline, chatbubblesOutline } from 'ionicons/icons';
import { useCallback, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { housecall, useConversation } from '../app/client';
import { Empty } from '../ui/Empty';
import { Skeleton } from '../ui/Skeleton';
import { useAim } from './aim';
import { Composer } from './Composer';
import { FindBar, type Found } from './FindBar';
import { MessageMenu } from './MessageMenu';
import { Rows } from './Rows';
import { useScroll } from './useScroll';
import './talk.css';

interface Props {
  conversation: string;
  /** A person can see it. */
  shown: boolean;
  /** The search is open. */
  finding?: boolean;
  /** The search was closed. */
  onFound?: () => void;
}

const NOTHING: Found = new Map();

/** The conversation with its composer: on the chat page and beside a call. */
export function Talk({ conversation, shown, finding = false, onFound }: Props) {
  const { t } = useTranslation();
  const snapshot = useConversation(conversation);
  const store = housecall.chat.conversation(conversation);
  const loadOlder = useCallback(() => void store.loadOlder().catch(() => undefined), [store]);
  const scroll = useScroll(snapshot.items[0]?.key, loadOlder);
  const visible = useVisible() && shown;
  const { atBottom, show } = scroll;
  const retry = useCallback((id: string) => store.retry(id), [store]);
  const discard = useCallback((id: string) => store.discard(id), [store]);
  const [aim, setAim] = useAim(store, snapshot);
  const [menu, setMenu] = useState<ChatItem | null>(null);
  const [missed, setMissed] = useState(false);
  const [found, setFound] = useState(NOTHING);

  const reveal = useCallback(
    (seq: number) =>
      void store.reveal(seq).then((held) => {
        // The rows are rendered by the next frame.
        requestAnimationFrame(() => setMissed(!(held && show(seq))));
      }),
    [store, show],
  );

  useEffect(() => {
    if (visible && atBottom) store.markRead();
  }, [visible, atBottom, snapshot.headSeq, snapshot.items, store]);

  return (
    <section className="talk" aria-label={t('chat.talk')}>
      {finding && (
        <FindBar
          conversation={conversation}
          onFound={setFound}
          onHit={reveal}
          onClose={() => {
            setFound(NOTHING);
            onFound?.();
          }}
        />
      )}
      <div className="talk-scroll" ref={scroll.box} onScroll={scroll.onScroll} data-testid="chat-scroll">
        <div className="talk-content" ref={scroll.content}>
          {snapshot.loadingOlder && <p className="talk-older">{t('chat.older')}</p>}
          {snapshot.status === 'loading' && snapshot.items.length === 0 && <Skeleton heights={[52, 84, 52]} />}
          {snapshot.status !== 'loading' && snapshot.items.length === 0 && (
            <Empty icon={chatbubblesOutline} title={t('chat.empty_title')} text={t('chat.empty_text')} />
          )}
          <Rows items={snapshot.items} found={found} onRetry={retry} onDiscard={discard} onMenu={setMenu} onReveal={reveal} />
          <p className="talk-typing" aria-live="polite" data-testid="typing">
            {snapshot.typing[0] && t('chat.typing', { name: snapshot.typing[0].name })}
          </p>
        </div>
      </div>
      {!atBottom && (
        <button type="button" className="to-newest" aria-label={t('chat.to_newest')} data-testid="to-newest" onClick={scroll.toBottom}>
          <IonIcon icon={arrowDownOutline} aria-hidden="true" />
          {snapshot.unread > 0 && <span className="count">{snapshot.unread}</span>}
        </button>
      )}
      <Composer conversation={conversation} aim={aim} onAim={setAim} onSent={scroll.toBottom} />
      <MessageMenu item={menu} store={store} onAim={setAim} onClose={() => setMenu(null)} />
      <IonToast
        isOpen={missed}
        message={t('chat.out_of_reach')}
        duration={4_000}
        position="middle"
        onDidDismiss={() => setMissed(false)}
      />
    </section>
  );
}

function useVisible(): boolean {
  const [visible, setVisible] = useState(document.visibilityState === 'visible');
  useEffect(() => {
    const update = () => setVisible(document.visibilityState === 'visible');
    document.addEventListener('visibilitychange', update);
    return () => document.removeEventListener('visibilitychange', update);
  }, []);
  return visible;
}

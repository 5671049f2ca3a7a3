import type { FileView } from '@housecall/sdk';
import { useCallback, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { AfterPause, Empty } from '../ui/States';
import { Splash } from '../app/Splash';
import { iconLock, iconMessage } from '../ui/icons';
import { Composer } from './Composer';
import { DeleteDialog } from './DeleteDialog';
import { FindBar, type Found } from './FindBar';
import { MessageList, type Shown } from './MessageList';
import { MessageMenu } from './MessageMenu';
import { useAim } from './useAim';
import { useConversation } from './useConversation';
import { useDraft } from './useDraft';
import { useDrop } from './useDrop';
import { useMessageMenu } from './useMessageMenu';
import { Viewer } from './Viewer';

import './conversation.css';

/** A message that a search led to, and its words that were looked for. */
export type Target = Shown & { words: readonly string[] };

type Props = {
  id: string;
  /** The reader holds the open consultation. */
  writable: boolean;
  /** Said instead of the composer when nothing can be written. */
  readOnly: string;
  target?: Target | undefined;
  finding?: boolean;
  stopFinding?: () => void;
};

const NOTHING: Found = new Map();

function imagesOf(items: readonly { body: { kind: string } }[]): FileView[] {
  return items.flatMap(({ body }) => {
    const { kind, file } = body as { kind: string; file?: FileView };
    return kind === 'file' && file?.media_type.startsWith('image/') && file.state !== 'refused' ? [file] : [];
  });
}

/** What is to be seen: what was asked for last, by a search, a quote or the address. */
function useShownMessage(target: Target | undefined) {
  const [asked, setAsked] = useState<{ shown: Shown | undefined; target: string | undefined; found: Found }>(
    { shown: target, target: target?.key, found: NOTHING },
  );
  let now = asked;
  if (target && target.key !== asked.target) {
    now = { shown: target, target: target.key, found: NOTHING };
    setAsked(now);
  }
  const reveal = useCallback((seq: number) => {
    setAsked((before) => ({ ...before, shown: { seq, key: `${seq} ${performance.now()}` } }));
  }, []);
  const setFound = useCallback((words: Found) => setAsked((before) => ({ ...before, found: words })), []);
  const found = now.found.size === 0 && target ? new Map([[target.seq, target.words]]) : now.found;
  return { shown: now.shown, found, reveal, setFound };
}

/** The whole thread of a patient, and the composer of the one who holds it. */
export function ConversationView({ id, writable, readOnly, target, finding = false, stopFinding }: Props) {
  const { t } = useTranslation();
  const [conversation, snapshot] = useConversation(id);
  const draft = useDraft(id);
  const [viewed, setViewed] = useState<string>();
  const drop = useDrop(writable ? draft.addFiles : undefined);
  const [aim, setAim] = useAim(conversation, snapshot, writable);
  const menu = useMessageMenu(conversation, writable, setAim);
  const { shown, found, reveal, setFound } = useShownMessage(target);
  if (snapshot.status === 'forbidden') {
    return (
      <div className="hc-thread">
        <Empty icon={iconLock} title={t('chat.forbidden')} hint={t('chat.forbiddenHint')} />
      </div>
    );
  }
  const empty = snapshot.items.length === 0;
  return (
    <div className="hc-thread" {...drop.handlers}>
      {finding && (
        <FindBar
          conversation={id} onFound={setFound} onHit={reveal}
          close={() => { setFound(NOTHING); stopFinding?.(); }}
        />
      )}
      {empty && snapshot.status === 'loading' && <AfterPause><Splash /></AfterPause>}
      {empty && snapshot.status !== 'loading' && (
        <Empty icon={iconMessage} title={t('chat.empty')} hint={t('chat.emptyHint')} />
      )}
      {!empty && (
        <MessageList
          key={id} conversation={conversation} snapshot={snapshot} reads={writable}
          view={setViewed} menu={menu.open} reveal={reveal} shown={shown} found={found}
        />
      )}
      {writable
        ? (
          <Composer
            conversation={conversation} draft={draft} aim={aim} setAim={setAim}
            lastOwn={() => snapshot.items.findLast((item) => conversation.canChange(item))}
          />
        )
        : <p className="hc-read-only" data-testid="read-only">{readOnly}</p>}
      {drop.over && <div className="hc-drop">{t('chat.drop')}</div>}
      {viewed !== undefined && (
        <Viewer images={imagesOf(snapshot.items)} start={viewed} close={() => setViewed(undefined)} />
      )}
      {menu.place && <MessageMenu place={menu.place} entries={menu.entries} hint={menu.hint} close={menu.close} />}
      <DeleteDialog open={menu.deleting} dismiss={menu.keep} confirm={menu.remove} />
    </div>
  );
}

import type { FileView } from '@housecall/sdk';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { AfterPause, Empty } from '../ui/States';
import { Splash } from '../app/Splash';
import { iconLock, iconMessage } from '../ui/icons';
import { Composer } from './Composer';
import { MessageList } from './MessageList';
import { useConversation } from './useConversation';
import { useDraft } from './useDraft';
import { useDrop } from './useDrop';
import { Viewer } from './Viewer';

import './conversation.css';

type Props = {
  id: string;
  /** The reader holds the open consultation. */
  writable: boolean;
  /** Said instead of the composer when nothing can be written. */
  readOnly: string;
};

function imagesOf(items: readonly { body: { kind: string } }[]): FileView[] {
  return items.flatMap(({ body }) => {
    const { kind, file } = body as { kind: string; file?: FileView };
    return kind === 'file' && file?.media_type.startsWith('image/') && file.state !== 'refused' ? [file] : [];
  });
}

/** The whole thread of a patient, and the composer of the one who holds it. */
export function ConversationView({ id, writable, readOnly }: Props) {
  const { t } = useTranslation();
  const [conversation, snapshot] = useConversation(id);
  const draft = useDraft(id);
  const [viewed, setViewed] = useState<string>();
  const drop = useDrop(writable ? draft.addFiles : undefined);
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
      {empty && snapshot.status === 'loading' && <AfterPause><Splash /></AfterPause>}
      {empty && snapshot.status !== 'loading' && (
        <Empty icon={iconMessage} title={t('chat.empty')} hint={t('chat.emptyHint')} />
      )}
      {!empty && (
        <MessageList
          key={id} conversation={conversation} snapshot={snapshot} reads={writable}
          view={setViewed}
        />
      )}
      {writable
        ? <Composer conversation={conversation} draft={draft} />
        : <p className="hc-read-only" data-testid="read-only">{readOnly}</p>}
      {drop.over && <div className="hc-drop">{t('chat.drop')}</div>}
      {viewed !== undefined && (
        <Viewer images={imagesOf(snapshot.items)} start={viewed} close={() => setViewed(undefined)} />
      )}
    </div>
  );
}

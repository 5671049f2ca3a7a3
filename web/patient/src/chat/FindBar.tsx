import { IonIcon } from '@ionic/react';
import { ApiError } from '@housecall/sdk';
import { chevronDownOutline, chevronUpOutline, closeOutline } from 'ionicons/icons';
import { useEffect, useEffectEvent, useState, type KeyboardEvent } from 'react';
import { useTranslation } from 'react-i18next';

import { problemText } from '../app/format';
import { useFind } from './useFind';

export type Found = ReadonlyMap<number, readonly string[]>;

interface Props {
  conversation: string;
  /** The words found, by message. */
  onFound: (found: Found) => void;
  /** The message that is to be shown; again at each step. */
  onHit: (seq: number) => void;
  onClose: () => void;
}

/** Looks for words in the conversation and goes from hit to hit. */
export function FindBar({ conversation, onFound, onHit, onClose }: Props) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState('');
  const find = useFind(conversation, typed);
  const { seq, found, words } = find;
  const tellFound = useEffectEvent(onFound);
  const tellHit = useEffectEvent(onHit);
  useEffect(() => tellFound(found), [found]);
  useEffect(() => {
    if (seq !== undefined) tellHit(seq);
  }, [seq, words]);
  const handleKey = (event: KeyboardEvent) => {
    if (event.key === 'Escape') onClose();
    if (event.key !== 'Enter') return;
    event.preventDefault();
    if (event.shiftKey) find.newer();
    else find.older();
  };
  return (
    <div className="find" role="search" data-testid="find-bar">
      <input
        type="search"
        value={typed}
        autoFocus
        enterKeyHint="search"
        placeholder={t('find.placeholder')}
        aria-label={t('find.placeholder')}
        data-testid="find-input"
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={handleKey}
      />
      <span className="find-said" role="status" data-testid="find-said">
        {said()}
      </span>
      <button type="button" className="icon-button" aria-label={t('find.older')} data-testid="find-older" disabled={!find.hasOlder} onClick={find.older}>
        <IonIcon icon={chevronUpOutline} aria-hidden="true" />
      </button>
      <button type="button" className="icon-button" aria-label={t('find.newer')} data-testid="find-newer" disabled={!find.hasNewer} onClick={find.newer}>
        <IonIcon icon={chevronDownOutline} aria-hidden="true" />
      </button>
      <button type="button" className="icon-button" aria-label={t('find.close')} data-testid="find-close" onClick={onClose}>
        <IonIcon icon={closeOutline} aria-hidden="true" />
      </button>
    </div>
  );

  function said(): string {
    switch (find.state) {
      case 'idle':
        return '';
      case 'offline':
        return t('find.offline');
      case 'failed':
        return problemText(find.error instanceof ApiError ? find.error.kind : '');
      case 'nothing':
        return t('find.nothing');
      case 'found':
        return t(find.more ? 'find.place_more' : 'find.place', { at: find.at + 1, count: find.count });
    }
  }
}

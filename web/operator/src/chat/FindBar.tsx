import { type KeyboardEvent, useEffect, useEffectEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { problemText } from '../api/problems';
import { Icon } from '../ui/Icon';
import { iconClose, iconSearch, iconUp } from '../ui/icons';
import { usePaused } from '../ui/usePaused';
import { useFind } from './useFind';

import './find-bar.css';

// A pause in typing that is long enough to mean "look now".
const PAUSE_MS = 250;
/** Fewer letters begin every other word. */
export const FEWEST_CHARACTERS = 2;

export type Found = ReadonlyMap<number, readonly string[]>;

type Props = {
  conversation: string;
  /** The words found, by message. */
  onFound: (found: Found) => void;
  /** The message that is to be shown; again at each step. */
  onHit: (seq: number) => void;
  close: () => void;
};

/** Looks for words in one conversation and goes from hit to hit. */
export function FindBar({ conversation, onFound, onHit, close }: Props) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState('');
  const words = usePaused(typed.trim(), PAUSE_MS);
  const find = useFind(conversation, words);
  const { hit, found } = find;
  const seq = hit?.seq;
  const tellFound = useEffectEvent(onFound);
  const tellHit = useEffectEvent(onHit);
  useEffect(() => tellFound(found), [found]);
  useEffect(() => {
    if (seq !== undefined) tellHit(seq);
  }, [seq, words]);
  const asked = words.length >= FEWEST_CHARACTERS;
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') close();
    if (event.key !== 'Enter') return;
    event.preventDefault();
    if (event.shiftKey) find.newer();
    else find.older();
  };
  let said = '';
  if (find.failed) said = problemText(t, find.failed);
  else if (asked && find.done && find.count === 0) said = t('find.nothing');
  else if (find.count > 0) {
    said = t(find.more ? 'find.placeMore' : 'find.place', { at: find.at + 1, count: find.count });
  }
  return (
    <div className="hc-find" role="search" data-testid="find-bar">
      <Icon icon={iconSearch} size={18} />
      <input
        type="search" value={typed} autoFocus placeholder={t('find.placeholder')} aria-label={t('find.placeholder')}
        data-testid="find-input" onChange={(event) => setTyped(event.target.value)} onKeyDown={onKeyDown}
      />
      <span className="hc-find-said hc-figures" role="status" data-testid="find-said">{said}</span>
      <button type="button" aria-label={t('find.older')} title={t('find.older')} data-testid="find-older" disabled={!find.hasOlder} onClick={find.older}>
        <Icon icon={iconUp} size={18} />
      </button>
      <button type="button" aria-label={t('find.newer')} title={t('find.newer')} data-testid="find-newer" disabled={!find.hasNewer} onClick={find.newer}>
        <Icon icon={iconUp} size={18} className="hc-turned" />
      </button>
      <button type="button" aria-label={t('find.close')} title={t('find.close')} data-testid="find-close" onClick={close}>
        <Icon icon={iconClose} size={18} />
      </button>
    </div>
  );
}

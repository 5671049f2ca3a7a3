import type { ChatItem, Conversation } from '@housecall/sdk';
import { useCallback, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useToast } from '../app/toasts';
import { waited } from '../format/time';
import { iconCopy, iconEdit, iconReply, iconTrash } from '../ui/icons';
import type { MenuEntry, MenuPlace } from './MessageMenu';

/** What the composer is about to do other than to write something new. */
export type Aim = { kind: 'reply' | 'edit'; item: ChatItem };

/** What it says that can be copied or changed. */
export function wordsOf({ body }: ChatItem): string {
  if (body.kind === 'text' || body.kind === 'note') return body.text;
  return body.kind === 'file' || body.kind === 'pending_file' ? body.caption : '';
}

/** The menu of a message: what is in it, and what its choices lead to. */
export function useMessageMenu(conversation: Conversation, writable: boolean, aimAt: (aim: Aim) => void) {
  const { t } = useTranslation();
  const say = useToast();
  const [place, setPlace] = useState<MenuPlace>();
  const [deleting, setDeleting] = useState<ChatItem>();
  const close = useCallback(() => setPlace(undefined), []);

  const copy = (words: string) => {
    navigator.clipboard.writeText(words).then(() => say(t('chat.copied')), () => say(t('chat.copyFailed'), 'bad'));
  };
  const entriesOf = (item: ChatItem): MenuEntry[] => {
    const entries: MenuEntry[] = [];
    const words = wordsOf(item);
    const changes = writable && conversation.canChange(item);
    if (writable && conversation.canReply(item)) {
      entries.push({ name: 'reply', icon: iconReply, words: t('chat.reply'), run: () => aimAt({ kind: 'reply', item }) });
    }
    // A page that came over plain HTTP has no clipboard.
    if (words && navigator.clipboard) {
      entries.push({ name: 'copy', icon: iconCopy, words: t('chat.copy'), run: () => copy(words) });
    }
    if (changes) {
      entries.push({ name: 'edit', icon: iconEdit, words: t('chat.edit'), run: () => aimAt({ kind: 'edit', item }) });
      entries.push({ name: 'delete', icon: iconTrash, words: t('chat.discard'), bad: true, run: () => setDeleting(item) });
    }
    return entries;
  };
  const hint = place && writable && conversation.isTooLate(place.item) 
    ? t('chat.tooLate', { time: waited(conversation.changeWindowMs, t) }) : undefined;
  const open = useCallback((next: MenuPlace) => setPlace(next), []);
  const entries = place ? entriesOf(place.item) : [];
  return {
    open,
    place: entries.length > 0 || hint ? place : undefined,
    entries,
    hint,
    close,
    deleting: deleting !== undefined,
    keep: () => setDeleting(undefined),
    remove: () => deleting && conversation.remove(deleting),
  };
}

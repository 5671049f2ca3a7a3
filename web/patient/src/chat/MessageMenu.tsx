import { IonActionSheet, IonAlert } from '@ionic/react';
import type { ChatItem, Conversation } from '@housecall/sdk';
import { arrowUndoOutline, copyOutline, createOutline, trashOutline } from 'ionicons/icons';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { wait } from '../app/format';
import { wordsOf, type Aim } from './aim';

interface Props {
  /** Whose menu is open. */
  item: ChatItem | null;
  store: Conversation;
  onAim: (aim: Aim) => void;
  onClose: () => void;
}

/** What can be done with a message. */
export function MessageMenu({ item, store, onAim, onClose }: Props) {
  const { t } = useTranslation();
  const [deleting, setDeleting] = useState<ChatItem | null>(null);
  // The sheet gives the focus back when it is gone; what was chosen takes it after that.
  const chosen = useRef<(() => void) | null>(null);
  const choose = (action: () => void) => () => {
    chosen.current = action;
  };
  return (
    <>
      <IonActionSheet
        isOpen={item !== null}
        header={t('chat.message_menu')}
        {...(item && store.isTooLate(item) ? { subHeader: t('chat.too_late', { time: wait(store.changeWindowMs / 1_000) }) } : {})}
        buttons={item ? buttons(item) : []}
        onDidDismiss={() => {
          onClose();
          chosen.current?.();
          chosen.current = null;
        }}
        data-testid="message-actions"
      />
      <IonAlert
        isOpen={deleting !== null}
        header={t('chat.delete_title')}
        message={t('chat.delete_text')}
        buttons={[
          { text: t('cancel'), role: 'cancel' },
          {
            text: t('chat.discard'),
            role: 'destructive',
            handler: () => {
              if (deleting) store.remove(deleting);
            },
          },
        ]}
        onDidDismiss={() => setDeleting(null)}
      />
    </>
  );

  function buttons(of: ChatItem) {
    const words = wordsOf(of);
    const changes = store.canChange(of);
    return [
      ...(store.canReply(of)
        ? [{ text: t('chat.reply'), icon: arrowUndoOutline, handler: choose(() => onAim({ kind: 'reply', item: of })) }]
        : []),
      // A page that came over plain HTTP has no clipboard.
      ...(words && navigator.clipboard
        ? [{ text: t('chat.copy'), icon: copyOutline, handler: () => void navigator.clipboard.writeText(words).catch(() => undefined) }]
        : []),
      ...(changes
        ? [
            { text: t('chat.edit'), icon: createOutline, handler: choose(() => onAim({ kind: 'edit', item: of })) },
            { text: t('chat.discard'), icon: trashOutline, role: 'destructive', handler: choose(() => setDeleting(of)) },
          ]
        : []),
      { text: t('cancel'), role: 'cancel' },
    ];
  }
}

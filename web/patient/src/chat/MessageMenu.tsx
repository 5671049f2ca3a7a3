import { IonActionSheet, IonAlert } from '@ionic/react';
import type { ChatItem, Conversation } from '@housecall/sdk';
import { arrowUndoOutline, copyOutline, createOutline, trashOutline } from 'ionicons/icons';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

interface Props {
  /** Whose menu is open. */
  item: ChatItem | null;
  store: Conversation;
  onReply: (item: ChatItem) => void;
  onEdit: (item: ChatItem) => void;
  onClose: () => void;
}

/** What can be done with a message. */
export function MessageMenu({ item, store, onReply, onEdit, onClose }: Props) {
  const { t } = useTranslation();
  const [deleting, setDeleting] = useState<ChatItem | null>(null);
  const text = item ? textOf(item) : '';
  const changeable = item !== null && store.canChange(item);
  const buttons = [
    ...(item && store.canReply(item) ? [{ text: t('chat.reply'), icon: arrowUndoOutline, handler: () => onReply(item) }] : []),
    ...(text ? [{ text: t('chat.copy'), icon: copyOutline, handler: () => void navigator.clipboard?.writeText(text) }] : []),
    ...(item && changeable ? [{ text: t('chat.edit'), icon: createOutline, handler: () => onEdit(item) }] : []),
    ...(item && changeable
      ? [{ text: t('chat.discard'), icon: trashOutline, role: 'destructive', handler: () => setDeleting(item) }]
      : []),
    { text: t('cancel'), role: 'cancel' },
  ];
  return (
    <>
      <IonActionSheet
        isOpen={item !== null}
        header={t('chat.message_menu')}
        buttons={buttons}
        onDidDismiss={onClose}
        data-testid="message-actions"
      />
      <IonAlert
        isOpen={deleting !== null}
        header={t('chat.delete_title')}
        message={t('chat.delete_text')}
        buttons={[
          { text: t('cancel'), role: 'cancel' },
          { text: t('chat.discard'), role: 'destructive', handler: () => deleting && store.remove(deleting) },
        ]}
        onDidDismiss={() => setDeleting(null)}
      />
    </>
  );
}

/** What can be copied of it. */
function textOf({ body }: ChatItem): string {
  if (body.kind === 'text') return body.text;
  return body.kind === 'file' || body.kind === 'pending_file' ? body.caption : '';
}

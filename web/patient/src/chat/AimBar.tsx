import { IonIcon } from '@ionic/react';
import type { Quote } from '@housecall/sdk';
import { arrowUndoOutline, closeOutline, createOutline } from 'ionicons/icons';
import { useTranslation } from 'react-i18next';

import type { Aim } from './aim';
import { useQuoteWords } from './Quoted';

/** Above the composer: which message is answered or changed. */
export function AimBar({ aim, onCancel }: { aim: Aim; onCancel: () => void }) {
  const { t } = useTranslation();
  const wordsOf = useQuoteWords();
  const body = quotable(aim);
  const { item } = aim;
  const { who, what } = wordsOf({
    seq: item.seq ?? 0,
    sender: item.sender,
    sender_name: item.senderName,
    sender_kind: item.senderKind,
    body,
  });
  return (
    <div className="aim" data-testid={`aim-${aim.kind}`}>
      <IonIcon icon={aim.kind === 'edit' ? createOutline : arrowUndoOutline} aria-hidden="true" />
      <span className="aim-words">
        <strong>{aim.kind === 'edit' ? t('chat.editing') : t('chat.reply_to', { name: who })}</strong>
        <span>{what}</span>
      </span>
      <button type="button" className="icon-button" aria-label={t('cancel')} data-testid="aim-cancel" onClick={onCancel}>
        <IonIcon icon={closeOutline} aria-hidden="true" />
      </button>
    </div>
  );
}

function quotable({ item: { body } }: Aim): Quote['body'] {
  if (body.kind === 'file') {
    return { kind: 'file', name: body.file.name, media_type: body.file.media_type, caption: body.caption };
  }
  return { kind: 'text', text: body.kind === 'text' ? body.text : '' };
}

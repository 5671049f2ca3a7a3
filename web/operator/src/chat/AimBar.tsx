import { useTranslation } from 'react-i18next';

import { Icon } from '../ui/Icon';
import { iconClose, iconEdit, iconReply } from '../ui/icons';
import { useQuoteWords } from './Quoted';
import type { Aim } from './useMessageMenu';

type Props = { aim: Aim; close: () => void };

/** Above the composer: which message is answered or changed. */
export function AimBar({ aim, close }: Props) {
  const { t } = useTranslation();
  const wordsOf = useQuoteWords();
  const { item, kind } = aim;
  const { body } = item;
  const quotable = body.kind === 'text' || body.kind === 'note' ? { kind: body.kind, text: body.text }
    : body.kind === 'file' ? { kind: body.kind, name: body.file.name, media_type: body.file.media_type, caption: body.caption }
      : undefined;
  const words = quotable && wordsOf({
    seq: item.seq ?? 0, sender: item.sender, sender_name: item.senderName, sender_kind: item.senderKind, body: quotable,
  });
  return (
    <div className="hc-aim" data-testid={`aim-${kind}`}>
      <Icon icon={kind === 'edit' ? iconEdit : iconReply} size={18} />
      <span>
        <strong>{kind === 'edit' ? t('chat.editing') : t('chat.replyTo', { name: words?.who ?? '' })}</strong>
        <small>{words?.what}</small>
      </span>
      <button type="button" aria-label={t('state.cancel')} title={t('state.cancel')} data-testid="aim-cancel" onClick={close}>
        <Icon icon={iconClose} size={16} />
      </button>
    </div>
  );
}

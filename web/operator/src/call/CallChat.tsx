import type { CallView, ConsultationSummary } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

import { itemsOf, useConsultation, useConsultations } from '../api/queries';
import { ConversationView } from '../chat/ConversationView';
import { useWriting } from '../desk/useWriting';
import { Icon } from '../ui/Icon';
import { iconClose } from '../ui/icons';

type Props = { view: CallView; close?: () => void };

function OfConsultation({ row }: { row: ConsultationSummary }) {
  return <ConversationView id={row.conversation} {...useWriting(row)} />;
}

/** The conversation beside the picture. */
export function CallChat({ view, close }: Props) {
  const { t } = useTranslation();
  const { subject } = view;
  // A callback has no consultation of its own; the patient may have one open with the same operator.
  const own = itemsOf(useConsultations('mine').data).find((each) => each.conversation === view.conversation);
  const { data: row = own } = useConsultation(subject.kind === 'consultation' ? subject.id : undefined);
  return (
    <aside className="hc-call-chat" aria-label={t('chat.messages')}>
      {close && (
        <button type="button" className="btn btn-icon btn-bare hc-call-chat-close" aria-label={t('call.hideChat')} onClick={close}>
          <Icon icon={iconClose} />
        </button>
      )}
      {row
        ? <OfConsultation row={row} />
        : <ConversationView id={view.conversation} writable={false} readOnly={t('consultation.readOnly')} />}
    </aside>
  );
}

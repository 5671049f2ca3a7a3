import type { Quote } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

import { useMe } from '../app/client';

interface Props {
  quote: Quote;
  onReveal?: ((seq: number) => void) | undefined;
}

/** The message that is answered, in two lines; pressing it shows it in its place. */
export function Quoted({ quote, onReveal }: Props) {
  const { who, what } = useQuoteWords()(quote);
  const content = (
    <>
      <strong>{who}</strong>
      <span>{what}</span>
    </>
  );
  if (!onReveal) return <blockquote className="quoted">{content}</blockquote>;
  return (
    <button type="button" className="quoted" data-testid="quote" onClick={() => onReveal(quote.seq)}>
      {content}
    </button>
  );
}

/** Who wrote what is quoted, and what it says, in words. */
export function useQuoteWords(): (quote: Quote) => { who: string; what: string } {
  const { t } = useTranslation();
  const me = useMe();
  return ({ sender, sender_name, body }) => {
    const who = sender === me.id ? t('chat.you') : (sender_name ?? t('chat.clinic'));
    switch (body.kind) {
      case 'text':
      case 'note':
        return { who, what: body.text };
      case 'file':
        return { who, what: body.caption || (body.media_type.startsWith('image/') ? t('chat.photo') : body.name) };
      case 'deleted':
      case 'deleted_note':
        return { who, what: t('chat.deleted') };
    }
  };
}

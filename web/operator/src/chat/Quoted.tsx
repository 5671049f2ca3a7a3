import type { Quote } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

import { useMe } from '../api/house';

import './quoted.css';

/** Who wrote what is quoted, and what it says. */
export function useQuoteWords() {
  const { t } = useTranslation();
  const me = useMe();
  return ({ sender, sender_name: name, body }: Quote): { who: string; what: string } => {
    const who = sender === me.id ? t('chat.you') : name || t('person.noName');
    switch (body.kind) {
      case 'text':
      case 'note':
        return { who, what: body.text };
      case 'file':
        return { who, what: body.caption ? `${body.name}. ${body.caption}` : body.name };
      case 'deleted':
      case 'deleted_note':
        return { who, what: t('chat.deleted') };
    }
  };
}

type Props = { quote: Quote; reveal: (seq: number) => void };

/** The message that is answered; pressing it shows it in its place. */
export function Quoted({ quote, reveal }: Props) {
  const { who, what } = useQuoteWords()(quote);
  return (
    <button type="button" className="hc-quoted" data-testid="quote" onClick={() => reveal(quote.seq)}>
      <strong>{who}</strong>
      <span>{what}</span>
    </button>
  );
}

import type { Conversation } from '@housecall/sdk';
import { type ClipboardEvent, type KeyboardEvent, useEffect, useLayoutEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';

import { useBrand } from '../api/queries';
import { useToast } from '../app/toasts';
import { fileSize } from '../format/text';
import { Icon } from '../ui/Icon';
import { iconClip, iconClose, iconNote, iconSend } from '../ui/icons';
import type { DraftHandle } from './useDraft';

import './composer.css';

type Props = { conversation: Conversation; draft: DraftHandle };

// The house forgets a typing mark after 6 s; a keystroke renews it.
const TYPING_STOPS_MS = 4000;
const TALLEST_PX = 180;

function useTyping(conversation: Conversation) {
  const timer = useRef<number | undefined>(undefined);
  useEffect(() => () => {
    window.clearTimeout(timer.current);
    conversation.setTyping(false);
  }, [conversation]);
  return (typing: boolean) => {
    window.clearTimeout(timer.current);
    conversation.setTyping(typing);
    if (typing) timer.current = window.setTimeout(() => conversation.setTyping(false), TYPING_STOPS_MS);
  };
}

function useSend({ conversation, draft }: Props, longest: number) {
  return () => {
    const text = draft.text.trim();
    if (text.length > longest || (text === '' && draft.files.length === 0)) return false;
    if (draft.note) conversation.sendNote(text);
    else if (draft.files.length === 0) conversation.sendText(text);
    else {
      draft.files.forEach((file, index) => {
        conversation.sendFile(file, { name: file.name, ...(index === 0 && text && { caption: text }) });
      });
    }
    draft.clear();
    return true;
  };
}

function Attachments({ draft }: { draft: DraftHandle }) {
  const { t, i18n } = useTranslation();
  if (draft.files.length === 0) return null;
  return (
    <ul className="hc-attachments">
      {draft.files.map((file, index) => (
        <li key={`${file.name} ${index}`}>
          <span>{file.name}</span>
          <small>{fileSize(file.size, i18n.language, t)}</small>
          <button type="button" aria-label={`${t('chat.discard')}: ${file.name}`} onClick={() => draft.removeFile(file)}>
            <Icon icon={iconClose} size={14} />
          </button>
        </li>
      ))}
    </ul>
  );
}

/** Enter sends, Shift+Enter breaks the line; files come by button, paste or drop. */
export function Composer({ conversation, draft }: Props) {
  const { t, i18n } = useTranslation();
  const { data: brand } = useBrand();
  const say = useToast();
  const field = useRef<HTMLTextAreaElement>(null);
  const typing = useTyping(conversation);
  const longest = brand?.max_message_characters ?? Infinity;
  const send = useSend({ conversation, draft }, longest);
  const tooLong = draft.text.trim().length > longest;
  const ready = !tooLong && (draft.text.trim() !== '' || draft.files.length > 0);
  const limit = brand?.max_file_bytes ?? Infinity;

  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = 'auto';
    element.style.height = `${Math.min(TALLEST_PX, element.scrollHeight)}px`;
  }, [draft.text]);

  const fitting = (files: File[]) => {
    const fit = files.filter((file) => file.size <= limit);
    if (fit.length < files.length) {
      say(t('problem.tooLarge', { limit: fileSize(limit, i18n.language, t) }), 'bad');
    }
    return fit;
  };
  // Chosen in a dialog is meant; pasted or dropped may be a slip and waits for the press.
  const sendChosen = (files: File[]) => {
    for (const file of fitting(files)) conversation.sendFile(file, { name: file.name });
    field.current?.focus();
  };
  const submit = () => {
    if (send()) typing(false);
    field.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit();
  };
  const onPaste = (event: ClipboardEvent) => {
    const files = [...event.clipboardData.files];
    if (files.length === 0) return;
    event.preventDefault();
    draft.addFiles(fitting(files));
  };
  return (
    <div className={`hc-composer${draft.note ? ' is-note' : ''}`}>
      <Attachments draft={draft} />
      <div className="hc-composer-field">
        <textarea
          ref={field} rows={1} value={draft.text} data-testid="composer-input"
          placeholder={t(draft.note ? 'chat.notePlaceholder' : 'chat.placeholder')}
          aria-label={t(draft.note ? 'chat.notePlaceholder' : 'chat.placeholder')}
          onChange={(event) => {
            draft.setText(event.target.value);
            if (!draft.note) typing(event.target.value.trim() !== '');
          }}
          onKeyDown={onKeyDown} onPaste={onPaste} onBlur={() => typing(false)}
        />
        <button
          type="button" className="btn btn-icon btn-bare" aria-pressed={draft.note} data-testid="note-toggle"
          title={t('chat.noteToggle')} aria-label={t('chat.noteToggle')}
          disabled={draft.files.length > 0} onClick={() => draft.setNote(!draft.note)}
        >
          <Icon icon={iconNote} />
        </button>
        {!draft.note && (
          <label className="btn btn-icon btn-bare" title={t('chat.attach')}>
            <Icon icon={iconClip} />
            <input
              type="file" multiple className="visually-hidden" data-testid="attach-input" aria-label={t('chat.attach')}
              onChange={(event) => {
                sendChosen([...(event.target.files ?? [])]);
                event.target.value = '';
              }}
            />
          </label>
        )}
        <button
          type="button" className="btn btn-icon btn-primary hc-send" data-testid="composer-send" disabled={!ready}
          title={t(draft.note ? 'chat.sendNote' : 'chat.send')} aria-label={t(draft.note ? 'chat.sendNote' : 'chat.send')}
          onClick={submit}
        >
          <Icon icon={iconSend} />
        </button>
      </div>
      {tooLong && (
        <p className="hc-field-error" role="alert">
          {t('chat.tooLong', { count: draft.text.trim().length, limit: longest })}
        </p>
      )}
    </div>
  );
}

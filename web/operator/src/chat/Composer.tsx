import type { ChatItem, Conversation } from '@housecall/sdk';
import { type ClipboardEvent, type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useBrand } from '../api/queries';
import { useToast } from '../app/toasts';
import { fileSize } from '../format/text';
import { Icon } from '../ui/Icon';
import { iconCheck, iconClip, iconClose, iconNote, iconSend } from '../ui/icons';
import { AimBar } from './AimBar';
import type { DraftHandle } from './useDraft';
import { type Aim, wordsOf } from './useMessageMenu';

import './composer.css';

type Props = {
  conversation: Conversation;
  draft: DraftHandle;
  /** The message that is answered or changed. */
  aim: Aim | undefined;
  setAim: (aim: Aim | undefined) => void;
  /** Own and new enough to be changed; undefined when there is none. */
  lastOwn: () => ChatItem | undefined;
};

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

/** What stands in the field: the draft, or the message that is changed, which leaves the draft alone. */
function useWritten(aim: Aim | undefined, draft: DraftHandle) {
  const [changed, setChanged] = useState({ key: '', text: '' });
  if (aim?.kind !== 'edit') {
    return { text: draft.text, setText: draft.setText, note: draft.note || aim?.item.body.kind === 'note' };
  }
  const { key } = aim.item;
  return {
    text: changed.key === key ? changed.text : wordsOf(aim.item),
    setText: (text: string) => setChanged({ key, text }),
    note: aim.item.body.kind === 'note',
  };
}

type Written = ReturnType<typeof useWritten>;

/** Whether there is something to send, and how. */
function useSend({ conversation, draft, aim }: Props, written: Written, longest: number) {
  const text = written.text.trim();
  const tooLong = text.length > longest;
  // A file may do without a caption; words may not become none.
  const changes = aim?.kind === 'edit' && text !== wordsOf(aim.item) && (text !== '' || aim.item.body.kind === 'file');
  const writes = aim?.kind !== 'edit' && (text !== '' || draft.files.length > 0);
  const send = () => {
    if (aim?.kind === 'edit') return conversation.edit(aim.item, text);
    const replyTo = aim?.item ?? null;
    if (written.note) conversation.sendNote(text, { replyTo });
    else if (draft.files.length === 0) conversation.sendText(text, { replyTo });
    else {
      draft.files.forEach((file, index) => {
        conversation.sendFile(file, { name: file.name, ...(index === 0 && { replyTo, ...(text && { caption: text }) }) });
      });
    }
    draft.clear();
  };
  return { send, tooLong, ready: !tooLong && (changes || writes) };
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
export function Composer(props: Props) {
  const { conversation, draft, aim, setAim, lastOwn } = props;
  const { t, i18n } = useTranslation();
  const { data: brand } = useBrand();
  const say = useToast();
  const field = useRef<HTMLTextAreaElement>(null);
  const typing = useTyping(conversation);
  const longest = brand?.max_message_characters ?? Infinity;
  const written = useWritten(aim, draft);
  const { send, ready, tooLong } = useSend(props, written, longest);
  const limit = brand?.max_file_bytes ?? Infinity;
  const editing = aim?.kind === 'edit';
  const label = t(written.note ? 'chat.notePlaceholder' : 'chat.placeholder');
  const sendLabel = t(editing ? 'chat.saveEdit' : written.note ? 'chat.sendNote' : 'chat.send');

  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = 'auto';
    element.style.height = `${Math.min(TALLEST_PX, element.scrollHeight)}px`;
  }, [written.text]);
  const aimed = aim && `${aim.kind} ${aim.item.key}`;
  useEffect(() => {
    if (!aimed) return;
    field.current?.focus();
    field.current?.setSelectionRange(field.current.value.length, field.current.value.length);
  }, [aimed]);

  const fitting = (files: File[]) => {
    const fit = files.filter((file) => file.size <= limit);
    if (fit.length < files.length) {
      say(t('problem.tooLarge', { limit: fileSize(limit, i18n.language, t) }), 'bad');
    }
    return fit;
  };
  // Chosen in a dialog is meant; pasted or dropped may be a slip and waits for the press.
  const sendChosen = (files: File[]) => {
    fitting(files).forEach((file, index) => {
      conversation.sendFile(file, { name: file.name, replyTo: index === 0 ? aim?.item ?? null : null });
    });
    setAim(undefined);
    field.current?.focus();
  };
  const submit = () => {
    if (ready) {
      send();
      typing(false);
      setAim(undefined);
    }
    field.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape' && aim) {
      event.preventDefault();
      setAim(undefined);
    }
    if (event.key === 'ArrowUp' && !aim && draft.text === '' && draft.files.length === 0) {
      const item = lastOwn();
      if (!item) return;
      event.preventDefault();
      setAim({ kind: 'edit', item });
    }
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit();
  };
  const onPaste = (event: ClipboardEvent) => {
    const files = [...event.clipboardData.files];
    if (files.length === 0 || editing) return;
    event.preventDefault();
    draft.addFiles(fitting(files));
  };
  return (
    <div className={`hc-composer${written.note ? ' is-note' : ''}`}>
      {aim && <AimBar aim={aim} close={() => { setAim(undefined); field.current?.focus(); }} />}
      {!editing && <Attachments draft={draft} />}
      <div className="hc-composer-field">
        <textarea
          ref={field} rows={1} value={written.text} data-testid="composer-input"
          placeholder={label} aria-label={label}
          onChange={(event) => {
            written.setText(event.target.value);
            if (!written.note) typing(event.target.value.trim() !== '');
          }}
          onKeyDown={onKeyDown} onPaste={onPaste} onBlur={() => typing(false)}
        />
        {!editing && (
          <button
            type="button" className="btn btn-icon btn-bare" aria-pressed={written.note} data-testid="note-toggle"
            title={t('chat.noteToggle')} aria-label={t('chat.noteToggle')}
            // A note is answered by a note alone: patients see neither.
            disabled={draft.files.length > 0 || aim?.item.body.kind === 'note'} onClick={() => draft.setNote(!draft.note)}
          >
            <Icon icon={iconNote} />
          </button>
        )}
        {!editing && !written.note && (
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
          title={sendLabel} aria-label={sendLabel} onClick={submit}
        >
          <Icon icon={editing ? iconCheck : iconSend} />
        </button>
      </div>
      {tooLong && (
        <p className="hc-field-error" role="alert">
          {t('chat.tooLong', { count: written.text.trim().length, limit: longest })}
        </p>
      )}
    </div>
  );
}

import { IonActionSheet, IonIcon } from '@ionic/react';
import { attachOutline, checkmarkOutline, documentOutline, imageOutline, paperPlaneOutline } from 'ionicons/icons';
import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent } from 'react';
import { useTranslation } from 'react-i18next';

import { housecall } from '../app/client';
import { fileSize } from '../app/format';
import { useBrand } from '../app/queries';
import { wordsOf, type Aim } from './aim';
import { AimBar } from './AimBar';

const MAX_HEIGHT = 128;

interface Props {
  conversation: string;
  /** The message that is answered or changed. */
  aim: Aim | null;
  onAim: (aim: Aim | null) => void;
  onSent: () => void;
}

/** Where a message is written; drafts survive leaving the page. */
export function Composer({ conversation, aim, onAim, onSent }: Props) {
  const { t } = useTranslation();
  const { data: brand } = useBrand();
  const store = housecall.chat.conversation(conversation);
  const draftKey = `housecall.draft.${conversation}`;
  const [draft, setDraft] = useState(() => readDraft(draftKey));
  // A message that is changed leaves the draft alone.
  const [changed, setChanged] = useState({ key: '', text: '' });
  const edited = aim?.kind === 'edit' ? aim.item : null;
  const text = edited ? (changed.key === edited.key ? changed.text : wordsOf(edited)) : draft;
  const [error, setError] = useState<string | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const limit = brand?.max_message_characters ?? 4_000;
  const over = [...text].length - limit;

  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = 'auto';
    element.style.height = `${Math.min(element.scrollHeight, MAX_HEIGHT)}px`;
  }, [text]);

  const aimed = aim && `${aim.kind} ${aim.item.key}`;
  useEffect(() => {
    const element = field.current;
    if (!aimed || !element) return;
    element.focus();
    element.setSelectionRange(element.value.length, element.value.length);
  }, [aimed]);

  const change = (next: string) => {
    setError(null);
    store.setTyping(next.trim() !== '');
    if (edited) {
      setChanged({ key: edited.key, text: next });
      return;
    }
    setDraft(next);
    writeDraft(draftKey, next);
  };

  const trimmed = text.trim();
  // A file may do without a caption; words may not become none.
  const ready =
    over <= 0 &&
    (edited ? trimmed !== wordsOf(edited) && (trimmed !== '' || edited.body.kind === 'file') : trimmed !== '');

  const send = () => {
    if (!ready) return;
    if (edited) {
      store.edit(edited, trimmed);
    } else {
      store.sendText(trimmed, { replyTo: aim?.item ?? null });
      change('');
      onSent();
    }
    onAim(null);
    field.current?.focus();
  };

  const sendFiles = (files: readonly File[]) => {
    const max = brand?.max_file_bytes ?? 20 * 1024 * 1024;
    setError(null);
    for (const [index, file] of files.entries()) {
      if (file.size > max) setError(t('chat.file_large', { name: file.name, size: fileSize(max) }));
      else store.sendFile(file, { name: file.name, replyTo: index === 0 ? (aim?.item ?? null) : null });
    }
    onAim(null);
    onSent();
  };

  const handleKey = (event: KeyboardEvent) => {
    if (event.key === 'Escape') onAim(null);
    // On a phone's keyboard Enter makes a new line; a mouse means a desk with a real keyboard.
    const desk = globalThis.matchMedia('(hover: hover) and (pointer: fine)').matches;
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing || !desk) return;
    event.preventDefault();
    send();
  };

  return (
    <div className="composer">
      {(error || over > 0) && (
        <p className="composer-error" role="alert">
          {error ?? t('chat.text_long', { count: over })}
        </p>
      )}
      {aim && <AimBar aim={aim} onCancel={() => onAim(null)} />}
      <form
        className="composer-row"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        {!edited && <Attach onFiles={sendFiles} />}
        <textarea
          ref={field}
          rows={1}
          value={text}
          placeholder={t('chat.placeholder')}
          aria-label={t('chat.placeholder')}
          data-testid="composer-input"
          enterKeyHint="enter"
          onChange={(event) => change(event.target.value)}
          onKeyDown={handleKey}
          onBlur={() => store.setTyping(false)}
          onPaste={(event) => {
            const files = [...event.clipboardData.files];
            if (files.length > 0 && !edited) {
              event.preventDefault();
              sendFiles(files);
            }
          }}
        />
        <button
          type="submit"
          className="send"
          aria-label={t(edited ? 'chat.save_edit' : 'chat.send')}
          data-testid="composer-send"
          disabled={!ready}
        >
          <IonIcon icon={edited ? checkmarkOutline : paperPlaneOutline} aria-hidden="true" />
        </button>
      </form>
    </div>
  );
}

function Attach({ onFiles }: { onFiles: (files: readonly File[]) => void }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const photo = useRef<HTMLInputElement>(null);
  const any = useRef<HTMLInputElement>(null);
  const take = (input: HTMLInputElement) => {
    onFiles([...(input.files ?? [])]);
    // The same file may be chosen again.
    input.value = '';
  };
  return (
    <>
      <button type="button" className="icon-button" aria-label={t('chat.attach')} data-testid="attach-open" onClick={() => setOpen(true)}>
        <IonIcon icon={attachOutline} aria-hidden="true" />
      </button>
      <input ref={photo} type="file" accept="image/*" multiple hidden data-testid="attach-photo" onChange={(event) => take(event.target)} />
      <input ref={any} type="file" multiple hidden data-testid="attach-input" onChange={(event) => take(event.target)} />
      <IonActionSheet
        isOpen={open}
        onDidDismiss={() => setOpen(false)}
        header={t('chat.attach')}
        buttons={[
          { text: t('chat.attach_photo'), icon: imageOutline, handler: () => photo.current?.click() },
          { text: t('chat.attach_file'), icon: documentOutline, handler: () => any.current?.click() },
          { text: t('cancel'), role: 'cancel' },
        ]}
      />
    </>
  );
}

function readDraft(key: string): string {
  try {
    return sessionStorage.getItem(key) ?? '';
  } catch {
    return '';
  }
}

function writeDraft(key: string, text: string): void {
  try {
    if (text) sessionStorage.setItem(key, text);
    else sessionStorage.removeItem(key);
  } catch {
    // A draft is then kept only while the page is open.
  }
}

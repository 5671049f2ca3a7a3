import { CFormInput } from '@coreui/react';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { Icon } from '../ui/Icon';
import { iconClose, iconSearch } from '../ui/icons';

// A pause in typing that is long enough to mean "look now".
const PAUSE_MS = 250;

type Props = { value: string; placeholder: string; onChange: (value: string) => void };

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement
    && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** The page's search; `/` comes to it from anywhere on the page. */
export function Search({ value, placeholder, onChange }: Props) {
  const { t } = useTranslation();
  const field = useRef<HTMLInputElement>(null);
  const [words, setWords] = useState(value);
  const [applied, setApplied] = useState(value);
  if (applied !== value) {
    setApplied(value);
    setWords(value);
  }
  useEffect(() => {
    if (words.trim() === value) return undefined;
    const timer = window.setTimeout(() => onChange(words.trim()), PAUSE_MS);
    return () => window.clearTimeout(timer);
  }, [words, value, onChange]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || isTyping(event.target)) return;
      event.preventDefault();
      field.current?.focus();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
  return (
    <div className="hc-search" role="search">
      <Icon icon={iconSearch} size={18} />
      <CFormInput
        ref={field} type="search" value={words} placeholder={placeholder} aria-label={placeholder}
        data-testid="search" onChange={(event) => setWords(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') setWords('');
        }}
      />
      {words === '' ? <kbd aria-hidden="true">/</kbd> : (
        <button type="button" className="hc-search-clear" aria-label={t('search.clear')} onClick={() => setWords('')}>
          <Icon icon={iconClose} size={16} />
        </button>
      )}
    </div>
  );
}

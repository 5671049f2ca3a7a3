import { useState } from 'react';

type Draft = { text: string; note: boolean; files: File[] };

const NOTHING: Draft = { text: '', note: false, files: [] };

// Drafts outlive their component: a call, another row or an ended session takes
// the composer away, the words stay. Files cannot be put in storage and live in memory.
const drafts = new Map<string, Draft>();

const keyOf = (id: string) => `housecall.portal.draft.${id}`;

function savedDraft(id: string): Draft {
  const kept = drafts.get(id);
  if (kept) return kept;
  try {
    return { ...NOTHING, text: window.sessionStorage.getItem(keyOf(id)) ?? '' };
  } catch {
    return NOTHING;
  }
}

function keepDraft(id: string, draft: Draft): void {
  drafts.set(id, draft);
  try {
    if (draft.text) window.sessionStorage.setItem(keyOf(id), draft.text);
    else window.sessionStorage.removeItem(keyOf(id));
  } catch {
    // Without storage the draft lives as long as the page.
  }
}

/** What is being written to one conversation. */
export function useDraft(id: string) {
  const [state, setState] = useState({ id, draft: savedDraft(id) });
  const draft = state.id === id ? state.draft : savedDraft(id);
  if (state.id !== id) setState({ id, draft });
  const change = (part: Partial<Draft>) => {
    const next = { ...savedDraft(id), ...part };
    keepDraft(id, next);
    setState({ id, draft: next });
  };
  return {
    ...draft,
    setText: (text: string) => change({ text }),
    setNote: (note: boolean) => change({ note }),
    addFiles: (files: File[]) => change({ note: false, files: [...savedDraft(id).files, ...files] }),
    removeFile: (file: File) => change({ files: savedDraft(id).files.filter((kept) => kept !== file) }),
    clear: () => change({ text: '', files: [] }),
  };
}

export type DraftHandle = ReturnType<typeof useDraft>;

import { CCloseButton, CToast, CToastBody, CToaster } from '@coreui/react';
import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';

import './toasts.css';

type Tone = 'plain' | 'ok' | 'bad';
type Toast = { id: number; words: string; tone: Tone };
type Say = (words: string, tone?: Tone) => void;

const ToastContext = createContext<Say>(() => undefined);

const SHOWN_MS = 5000;
// More at once cover the page and are not read.
const MOST = 3;
let lastId = 0;

/** Short words about what has just happened; they leave by themselves. */
export function ToastProvider({ children }: { children: ReactNode }) {
  const { t } = useTranslation();
  const [toasts, setToasts] = useState<Toast[]>([]);
  const remove = useCallback((id: number) => {
    setToasts((before) => before.filter((toast) => toast.id !== id));
  }, []);
  const say = useCallback<Say>((words, tone = 'plain') => {
    lastId += 1;
    const toast = { id: lastId, words, tone };
    setToasts((before) => [...before.filter((old) => old.words !== words).slice(1 - MOST), toast]);
  }, []);
  return (
    <ToastContext.Provider value={useMemo(() => say, [say])}>
      {children}
      <CToaster className="hc-toasts">
        {toasts.map((toast) => (
          <CToast
            key={toast.id}
            visible
            autohide
            delay={SHOWN_MS}
            className={`hc-toast is-${toast.tone}`}
            data-testid="toast"
            onClose={() => remove(toast.id)}
          >
            <CToastBody className="hc-toast-body">
              <span>{toast.words}</span>
              <CCloseButton aria-label={t('state.close')} onClick={() => remove(toast.id)} />
            </CToastBody>
          </CToast>
        ))}
      </CToaster>
    </ToastContext.Provider>
  );
}

export function useToast(): Say {
  return useContext(ToastContext);
}

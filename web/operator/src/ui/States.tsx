import { CButton } from '@coreui/react';
import { type ReactNode, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { problemText } from '../api/problems';
import { Icon } from './Icon';
import { iconWarning } from './icons';

import './states.css';

type EmptyProps = { icon: string[]; title: string; hint?: ReactNode; children?: ReactNode };

/** Says what will appear here and how to make it appear. */
export function Empty({ icon, title, hint, children }: EmptyProps) {
  return (
    <div className="hc-state">
      <span className="hc-state-mark"><Icon icon={icon} size={26} /></span>
      <strong>{title}</strong>
      {hint && <p>{hint}</p>}
      {children}
    </div>
  );
}

type FailedProps = { error: unknown; retry?: () => void };

/** Says what happened and offers the one thing that helps. */
export function Failed({ error, retry }: FailedProps) {
  const { t } = useTranslation();
  return (
    <div className="hc-state" role="alert">
      <span className="hc-state-mark is-bad"><Icon icon={iconWarning} size={26} /></span>
      <strong>{t('state.failed')}</strong>
      <p>{problemText(t, error)}</p>
      {retry && (
        <CButton color="secondary" variant="outline" onClick={retry}>{t('state.retry')}</CButton>
      )}
    </div>
  );
}

/** Shows its children only when the wait is long enough to be noticed. */
export function AfterPause({ children, pauseMs = 200 }: { children: ReactNode; pauseMs?: number }) {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setShown(true), pauseMs);
    return () => window.clearTimeout(timer);
  }, [pauseMs]);
  return shown ? children : null;
}

/** Grey rows in the shape of a list. */
export function SkeletonRows({ count, height }: { count: number; height: number }) {
  const { t } = useTranslation();
  return (
    <AfterPause>
      <div role="status" aria-label={t('state.loading')} className="hc-skeleton-rows">
        {Array.from({ length: count }, (_, row) => (
          <div key={row} className="hc-skeleton-row" style={{ height }}>
            <span className="hc-skeleton is-round" />
            <span className="hc-skeleton-lines">
              <span className="hc-skeleton" style={{ width: `${62 - (row % 3) * 9}%` }} />
              <span className="hc-skeleton" style={{ width: `${84 - (row % 2) * 14}%` }} />
            </span>
          </div>
        ))}
      </div>
    </AfterPause>
  );
}

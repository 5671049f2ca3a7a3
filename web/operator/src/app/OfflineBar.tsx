import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useHouse, useObservable } from '../api/house';

import './offline-bar.css';

// A blink of the network is not worth a word.
const PATIENCE_MS = 1500;

/** A thin bar while the house cannot be heard. */
export function OfflineBar() {
  const { t } = useTranslation();
  const { status } = useObservable(useHouse().realtime);
  const [late, setLate] = useState(false);
  const online = status === 'online';
  useEffect(() => {
    if (online) return undefined;
    const timer = window.setTimeout(() => setLate(true), PATIENCE_MS);
    return () => {
      window.clearTimeout(timer);
      setLate(false);
    };
  }, [online]);
  if (online || !late) return null;
  return <div className="hc-offline" role="status" data-testid="offline-bar">{t('link.offline')}</div>;
}

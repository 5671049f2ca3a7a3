import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useRealtime } from '../app/client';

/** A thin bar once the connection has been away for more than a moment. */
export function OfflineBar() {
  const { t } = useTranslation();
  const { status } = useRealtime();
  const away = status === 'waiting' || status === 'connecting';
  const [shown, setShown] = useState(false);
  useEffect(() => {
    if (!away) {
      setShown(false);
      return undefined;
    }
    const timer = setTimeout(() => setShown(true), 900);
    return () => clearTimeout(timer);
  }, [away]);
  if (status === 'replaced') return <Bar text={t('offline.replaced')} />;
  return shown ? <Bar text={t('offline.bar')} /> : null;
}

function Bar({ text }: { text: string }) {
  return (
    <div className="offline-bar" role="status" data-testid="offline-bar">
      {text}
    </div>
  );
}

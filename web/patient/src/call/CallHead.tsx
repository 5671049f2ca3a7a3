import { formatClock, type CallSnapshot, type QualityLevel } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

import { useNow } from '../app/client';
import { doctorTitle } from '../app/format';

export function CallHead({ call }: { call: CallSnapshot }) {
  const { t } = useTranslation();
  const talking = call.phase === 'active' || call.phase === 'connecting';
  return (
    <header className="call-head">
      <div className="call-who">
        <h1>{call.peer?.name ?? t('call.title')}</h1>
        {call.peer && <p>{doctorTitle(call.peer.specialty)}</p>}
      </div>
      {talking && (
        <div className="call-chips">
          <Quality level={call.reconnecting ? 'lost' : call.quality} />
          {call.acceptedAt !== null && <Duration since={call.acceptedAt} />}
        </div>
      )}
    </header>
  );
}

function Duration({ since }: { since: number }) {
  const now = useNow(500);
  return (
    <span className="call-chip" data-testid="call-duration">
      {formatClock((now - since) / 1_000)}
    </span>
  );
}

const BARS: Record<QualityLevel, number> = { excellent: 3, good: 2, poor: 1, lost: 0 };

/** A word and a mark. */
export function Quality({ level }: { level: QualityLevel }) {
  const { t } = useTranslation();
  return (
    <span className={`call-chip quality is-${level}`} data-testid="call-quality" data-level={level}>
      <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
        {[0, 1, 2].map((bar) => (
          <rect key={bar} x={1 + bar * 4.5} y={9 - bar * 3.5} width="3" height={4 + bar * 3.5} rx="1" opacity={bar < BARS[level] ? 1 : 0.3} />
        ))}
      </svg>
      {t(`call.quality_${level}`)}
    </span>
  );
}

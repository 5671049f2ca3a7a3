import { formatClock, type CallFigures, type CallSnapshot, type QualityLevel } from '@housecall/sdk';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useNow } from '../app/client';
import { doctorTitle } from '../app/format';

export function CallHead({ call }: { call: CallSnapshot }) {
  const { t } = useTranslation();
  const others = Math.max(0, call.people.length - 1);
  const talking = call.phase === 'active' || call.phase === 'connecting';
  return (
    <header className="call-head">
      <div className="call-who">
        <h1>{call.peer?.name ?? t('call.title')}</h1>
        {call.peer && <p>{others > 0 ? t('call.and_others', { count: others }) : doctorTitle(call.peer.specialty)}</p>}
      </div>
      {talking && (
        <div className="call-chips">
          <Quality level={call.reconnecting ? 'lost' : call.quality} figures={call.figures} />
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

/** A word and a mark; pressed, the figures behind it. */
function Quality({ level, figures }: { level: QualityLevel; figures: CallFigures }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  return (
    <span className="quality-place">
      <button
        type="button"
        className={`call-chip quality is-${level}`}
        data-testid="call-quality"
        data-level={level}
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        onBlur={() => setOpen(false)}
      >
        <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
          {[0, 1, 2].map((bar) => (
            <rect key={bar} x={1 + bar * 4.5} y={9 - bar * 3.5} width="3" height={4 + bar * 3.5} rx="1" opacity={bar < BARS[level] ? 1 : 0.3} />
          ))}
        </svg>
        {t(`call.quality_${level}`)}
      </button>
      {open && <Figures figures={figures} />}
    </span>
  );
}

function Figures({ figures }: { figures: CallFigures }) {
  const { t, i18n } = useTranslation();
  const { mos, loss, rttMs } = figures;
  const format = (value: number, digits: number) =>
    new Intl.NumberFormat(i18n.language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
  return (
    <span className="call-figures" role="status" data-testid="call-figures">
      {mos === null && <span>{t('call.figures_none')}</span>}
      {mos !== null && <span>{t('call.figures_mos', { value: format(mos, 1) })}</span>}
      {loss !== null && <span>{t('call.figures_loss', { value: format(loss * 100, 1) })}</span>}
      {rttMs !== null && <span>{t('call.figures_rtt', { value: format(rttMs, 0) })}</span>}
    </span>
  );
}

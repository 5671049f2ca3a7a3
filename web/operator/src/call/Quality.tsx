import type { CallFigures, QualityLevel } from '@housecall/sdk';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { formatLocale } from '../format/time';

const BARS: Record<QualityLevel, number> = { excellent: 3, good: 2, poor: 1, lost: 0 };

function Bars({ level }: { level: QualityLevel }) {
  return (
    <svg viewBox="0 0 14 14" width="14" height="14" aria-hidden="true">
      {[0, 1, 2].map((bar) => (
        <rect key={bar} x={1 + bar * 4.6} y={9 - bar * 4} width="3" height={4 + bar * 4} rx="1" opacity={bar < BARS[level] ? 1 : 0.3} />
      ))}
    </svg>
  );
}

function Figures({ figures }: { figures: CallFigures }) {
  const { t, i18n } = useTranslation();
  const number = (value: number, digits: number) =>
    new Intl.NumberFormat(formatLocale(i18n.language), { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);
  const { mos, loss, rttMs } = figures;
  const rows: [string, string | undefined][] = [
    [t('call.figures.mos'), mos === null ? undefined : t('call.figures.mosOf', { value: number(mos, 1) })],
    [t('call.figures.loss'), loss === null ? undefined : `${number(loss * 100, 1)} %`],
    [t('call.figures.rtt'), rttMs === null ? undefined : t('call.figures.ms', { value: number(rttMs, 0) })],
  ];
  const known = rows.filter(([, value]) => value !== undefined);
  return (
    <div className="hc-figures-card hc-figures" data-testid="call-figures" role="status">
      {known.length === 0 && <p>{t('call.figures.none')}</p>}
      <dl>{known.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
    </div>
  );
}

/** A word and a mark, since colour is never the only sign; pressed, the figures behind it. */
export function Quality({ level, figures }: { level: QualityLevel; figures: CallFigures }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const word = t(`call.quality.${level}`);
  return (
    <span className="hc-quality-place">
      <button
        type="button" className={`hc-quality is-${level}`} data-testid="call-quality" data-level={level}
        aria-expanded={open} title={t('call.quality.label', { level: word })} onClick={() => setOpen(!open)}
        onBlur={() => setOpen(false)}
      >
        <Bars level={level} />
        {word}
      </button>
      {open && <Figures figures={figures} />}
    </span>
  );
}

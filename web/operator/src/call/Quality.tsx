import type { QualityLevel } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

const BARS: Record<QualityLevel, number> = { excellent: 3, good: 2, poor: 1, lost: 0 };

/** A word and a mark: colour is never the only sign. */
export function Quality({ level }: { level: QualityLevel }) {
  const { t } = useTranslation();
  const word = t(`call.quality.${level}`);
  return (
    <span className={`hc-quality is-${level}`} data-testid="call-quality" data-level={level} title={t('call.quality.label', { level: word })}>
      <svg viewBox="0 0 14 14" width="14" height="14" aria-hidden="true">
        {[0, 1, 2].map((bar) => (
          <rect key={bar} x={1 + bar * 4.6} y={9 - bar * 4} width="3" height={4 + bar * 4} rx="1" opacity={bar < BARS[level] ? 1 : 0.3} />
        ))}
      </svg>
      {word}
    </span>
  );
}

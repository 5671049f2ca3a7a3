import { useTranslation } from 'react-i18next';

import { formatLocale } from '../format/time';

type Grade = 'ok' | 'warn' | 'bad';

/** G.107 annex B: many are dissatisfied below 3.6, nearly all below 2.58. */
export function gradeOf(mos: number): Grade {
  if (mos < 2.58) return 'bad';
  return mos < 3.6 ? 'warn' : 'ok';
}

/** A mean opinion score as a word with its number; what did not flow beside it. */
export function Score({ mos, faults = 0 }: { mos: number | null; faults?: number }) {
  const { t, i18n } = useTranslation();
  const number = new Intl.NumberFormat(formatLocale(i18n.language), { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  return (
    <span className="hc-scores">
      {mos === null
        ? <span className="hc-quiet">{t('calls.notMeasured')}</span>
        : (
          <span className={`hc-chip is-${gradeOf(mos)}`} data-testid="call-score" title={t('calls.scoreTitle')}>
            {t(`calls.grade.${gradeOf(mos)}`)} <span className="hc-figures">{number.format(mos)}</span>
          </span>
        )}
      {faults > 0 && <span className="hc-chip is-warn">{t('calls.faults', { count: faults })}</span>}
    </span>
  );
}

import { useTranslation } from 'react-i18next';

import { housecall } from '../app/client';

/** The doctor asks to turn something on; nobody does it for the person. */
export function Asked({ source }: { source: 'microphone' | 'camera' }) {
  const { t } = useTranslation();
  const text = t(`call.asked_${source}`);
  return (
    <div className="call-notice" role="alertdialog" aria-label={text} data-testid="call-asked">
      <span>{text}</span>
      <button type="button" data-testid="call-asked-yes" onClick={() => void housecall.calls.answerAsk(true)}>
        {t('call.asked_yes')}
      </button>
      <button type="button" className="is-quiet-button" data-testid="call-asked-no" onClick={() => void housecall.calls.answerAsk(false)}>
        {t('call.asked_no')}
      </button>
    </div>
  );
}

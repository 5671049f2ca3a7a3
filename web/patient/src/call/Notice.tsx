import type { CallSnapshot } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

import { housecall } from '../app/client';
import { noticeText } from './text';

export function Notice({ call }: { call: CallSnapshot }) {
  const { t } = useTranslation();
  const text = noticeText(call, t);
  if (!text) return null;
  return (
    <div className="call-notice" role="status" data-testid="call-notice">
      <span>{text}</span>
      {call.soundBlocked && (
        <button type="button" onClick={() => housecall.calls.unblockSound()}>
          {t('call.sound_on')}
        </button>
      )}
    </div>
  );
}

import type { CallHint, CallSnapshot } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

import { useHouse } from '../api/house';

// More than two at once nobody reads.
const MOST_HINTS = 2;

function Hint({ hint }: { hint: CallHint }) {
  const { t } = useTranslation();
  const { person, source, fault } = hint;
  const what = t(`call.source.${source}`);
  const text = person
    ? t(`call.fault.${fault}`, { name: person.name, what })
    : t(`call.ownFault.${fault}`, { what });
  return <p className="hc-stage-note" role="status" data-testid="call-hint" data-fault={fault} data-source={source}>{text}</p>;
}

/** The operator of the call asks to turn something on; nobody does it for the person. */
function Asked({ source }: { source: 'microphone' | 'camera' }) {
  const { t } = useTranslation();
  const { calls } = useHouse();
  return (
    <div className="hc-stage-note hc-asked" role="alertdialog" aria-label={t(`call.asked.${source}`)} data-testid="call-asked">
      <span>{t(`call.asked.${source}`)}</span>
      <button type="button" className="btn btn-primary" data-testid="call-asked-yes" onClick={() => void calls.answerAsk(true)}>{t('call.asked.yes')}</button>
      <button type="button" className="btn hc-asked-no" data-testid="call-asked-no" onClick={() => void calls.answerAsk(false)}>{t('call.asked.no')}</button>
    </div>
  );
}

/** One sentence for each thing a person should know now. */
export function Notes({ call }: { call: CallSnapshot }) {
  const { t } = useTranslation();
  const { calls } = useHouse();
  const { allowed, role, problem } = call;
  const sends = role !== 'listener' && call.self?.role === 'member';
  return (
    <div className="hc-stage-notes">
      {call.asked && <Asked source={call.asked} />}
      {call.soundBlocked && (
        <button type="button" className="hc-stage-note" onClick={() => calls.unblockSound()}>{t('call.unblock')}</button>
      )}
      {problem && <p className="hc-stage-note" role="status">{t(`call.problem.${problem}`)}</p>}
      {role === 'listener' && call.phase === 'active' && <p className="hc-stage-note" data-testid="call-listening">{t('call.listening')}</p>}
      {sends && !allowed.microphone && <p className="hc-stage-note" role="status" data-testid="call-muted">{t('call.mutedByHouse')}</p>}
      {sends && !allowed.camera && <p className="hc-stage-note" role="status">{t('call.cameraOffByHouse')}</p>}
      {call.media.screen && <p className="hc-stage-note">{t('call.yourScreen')}</p>}
      {call.hints.slice(0, MOST_HINTS).map((hint) => (
        <Hint key={`${hint.person?.person}/${hint.source}/${hint.fault}`} hint={hint} />
      ))}
      {call.phase === 'active' && call.quality === 'poor' && <p className="hc-stage-note">{t('call.poorOwn')}</p>}
    </div>
  );
}

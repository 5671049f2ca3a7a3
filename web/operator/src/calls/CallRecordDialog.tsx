import { CButton, CModal, CModalBody, CModalFooter, CModalHeader, CModalTitle } from '@coreui/react';
import type { CallParticipant, CallRecord, ParticipantQuality } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';
import { useNavigate } from 'react-router';

import { useCallRecord } from '../api/queries';
import { dayAndClock, duration, formatLocale } from '../format/time';
import { Avatar } from '../ui/Avatar';
import { Failed, SkeletonRows } from '../ui/States';
import { useNow } from '../ui/useNow';
import { Score } from './Score';

type Figure = [name: string, value: string | undefined];

/** What was measured of one participant, as rows of words; what nobody measured is left out. */
function useFigures(quality: ParticipantQuality): Figure[] {
  const { t, i18n } = useTranslation();
  const format = (digits: number) =>
    new Intl.NumberFormat(formatLocale(i18n.language), { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const share = (mean: number | null, worst: number | null) =>
    mean === null ? undefined : t('calls.meanWorst', { mean: `${format(1).format(mean * 100)} %`, worst: `${format(1).format((worst ?? mean) * 100)} %` });
  const ms = (value: number) => t('call.figures.ms', { value: format(0).format(value) });
  const rate = (bps: number | null) => bps === null ? undefined : t('calls.kbps', { value: format(0).format(bps / 1000) });
  return [
    [t('calls.lossUp'), share(quality.loss_up, quality.loss_up_max)],
    [t('calls.lossDown'), share(quality.loss_down, quality.loss_down_max)],
    [t('calls.rtt'), quality.rtt_ms === null ? undefined : t('calls.meanWorst', { mean: ms(quality.rtt_ms), worst: ms(quality.rtt_max_ms ?? quality.rtt_ms) })],
    [t('calls.jitter'), quality.jitter_ms === null ? undefined : ms(quality.jitter_ms)],
    [t('calls.rateUp'), rate(quality.received_bps)],
    [t('calls.rateDown'), rate(quality.sent_bps)],
    [t('calls.freezes'), String(quality.freezes)],
    [t('calls.firstFrame'), quality.first_frame_ms === null ? undefined : ms(quality.first_frame_ms)],
    [t('calls.path'), quality.path === null ? undefined : t(`calls.paths.${quality.path}`)],
  ];
}

function Measured({ quality }: { quality: ParticipantQuality }) {
  const { t } = useTranslation();
  const figures = useFigures(quality).filter(([, value]) => value !== undefined);
  return (
    <>
      <dl className="hc-record-figures hc-figures">
        {figures.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
      </dl>
      {quality.faults.length > 0 && (
        <ul className="hc-record-faults">
          {quality.faults.map(({ source, fault, times }) => (
            <li key={`${source}/${fault}`} data-testid="record-fault" data-fault={fault}>
              {t(`calls.fault.${fault}`, { what: t(`call.source.${source}`) })}
              {times > 1 && `, ${t('calls.times', { count: times })}`}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function Participant({ one }: { one: CallParticipant }) {
  const { t } = useTranslation();
  const name = one.name || t('person.noName');
  const role = one.kind === 'patient' ? t('call.role.patient')
    : one.role === 'hidden' ? t('call.role.hidden')
      : one.role === 'listener' ? t('call.role.listener') : t('call.role.operator');
  return (
    <section className="hc-record-person" data-testid="record-person" data-role={one.role}>
      <header>
        <Avatar id={one.person} name={name} size={36} />
        <span>
          <strong>{name}</strong>
          <small>{role}</small>
        </span>
        {one.quality && <Score mos={one.quality.mos_mean} />}
      </header>
      {one.quality ? <Measured quality={one.quality} /> : <p className="hc-quiet">{t('calls.notMeasured')}</p>}
    </section>
  );
}

function Facts({ record: { call } }: { record: CallRecord }) {
  const { t, i18n } = useTranslation();
  const now = useNow(60_000);
  const talk = call.duration_s > 0 ? duration(call.duration_s, t) : t(`record.${call.reason ?? 'failed'}`);
  return <p className="hc-quiet">{t(`record.${call.media}`)}, {dayAndClock(call.created_at, now, i18n.language, t)}, {talk}</p>;
}

/** How a call was for each of its participants. */
export function CallRecordDialog({ id, back }: { id: string; back: string }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const query = useCallRecord(id);
  const dismiss = () => void navigate(back);
  return (
    <CModal visible onClose={dismiss} alignment="center" size="lg" scrollable aria-labelledby="call-record-title">
      <CModalHeader closeButton={false}><CModalTitle as="h2" id="call-record-title">{t('calls.record')}</CModalTitle></CModalHeader>
      <CModalBody data-testid="call-record-dialog" tabIndex={0}>
        {query.isPending && <SkeletonRows count={2} height={90} />}
        {query.isError && <Failed error={query.error} retry={() => void query.refetch()} />}
        {query.data && (
          <>
            <Facts record={query.data} />
            {query.data.participants.map((one) => <Participant key={`${one.person}/${one.came_at}`} one={one} />)}
          </>
        )}
      </CModalBody>
      <CModalFooter>
        <CButton color="secondary" variant="outline" data-testid="call-record-close" onClick={dismiss}>{t('state.close')}</CButton>
      </CModalFooter>
    </CModal>
  );
}

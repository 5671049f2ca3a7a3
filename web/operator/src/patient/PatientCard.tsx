import { formatPhone, type PatientCard as Card, type PatientFile } from '@housecall/sdk';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';

import { usePresence } from '../api/presence';
import { usePatient } from '../api/queries';
import { FileLine } from '../chat/FileBody';
import { Viewer } from '../chat/Viewer';
import { birthDate, dayOrClock, longDate } from '../format/time';
import { foreignClock, zoneOffset } from '../format/zone';
import { Avatar } from '../ui/Avatar';
import { Icon } from '../ui/Icon';
import { iconClose, iconFile, iconImage } from '../ui/icons';
import { AfterPause, Failed, SkeletonRows } from '../ui/States';
import { useNow } from '../ui/useNow';
import { HistoryLine } from './HistoryLine';

import './card.css';

type Props = {
  id: string;
  /** The consultation that is open beside the card. */
  current?: string;
  close?: () => void;
};

function Data({ card }: { card: Card }) {
  const { t, i18n } = useTranslation();
  const now = useNow(60_000);
  const { language } = i18n;
  const offset = card.time_zone ? zoneOffset(card.time_zone, now) : undefined;
  const there = foreignClock(now, card.time_zone, language);
  const rows: [string, string | null | undefined][] = [
    ['card.birth', card.birth_date && birthDate(card.birth_date, language)],
    ['card.phone', formatPhone(card.phone)],
    ['card.city', [card.city, offset].filter(Boolean).join(', ')],
    ['card.clock', there?.clock],
    ['card.registered', longDate(card.registered_at, now, language)],
  ];
  return (
    <dl className="hc-card-data">
      {rows.filter(([, value]) => value).map(([label, value]) => (
        <div key={label}>
          <dt>{t(label)}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Files({ files }: { files: PatientFile[] }) {
  const { t, i18n } = useTranslation();
  const [viewed, setViewed] = useState<string>();
  const images = files.map(({ file }) => file).filter((file) => file.media_type.startsWith('image/'));
  return (
    <ul className="hc-card-files">
      {files.map(({ file, uploaded_at: at }) => (
        <li key={file.id}>
          {file.media_type.startsWith('image/') ? (
            <button type="button" className="hc-card-file" aria-label={t('chat.open', { name: file.name })} onClick={() => setViewed(file.id)}>
              <Icon icon={iconImage} />
              <span>{file.name}</span>
              <time className="hc-figures">{dayOrClock(at, Date.now(), i18n.language)}</time>
            </button>
          ) : <FileLine file={file} />}
        </li>
      ))}
      {viewed !== undefined && <Viewer images={images} start={viewed} close={() => setViewed(undefined)} />}
    </ul>
  );
}

function Filled({ card, current }: { card: Card; current?: string | undefined }) {
  const { t } = useTranslation();
  const presence = usePresence([card.id]);
  const name = card.name || t('person.noName');
  return (
    <>
      <div className="hc-card-head">
        <Avatar id={card.id} name={name} size={64} presence={presence.get(card.id)} />
        <h2><Link to={`/clients/${card.id}`}>{name}</Link></h2>
        {card.age !== null && <p>{t('person.age', { count: card.age })}</p>}
      </div>
      <h3>{t('card.data')}</h3>
      <Data card={card} />
      <h3>{t('card.history')}</h3>
      {card.history.length === 0 && <p className="hc-card-none">{t('card.noHistory')}</p>}
      <ul className="hc-history" data-testid="history">
        {card.history.map((item) => <HistoryLine key={`${item.kind} ${item.id}`} item={item} current={item.id === current} />)}
      </ul>
      <h3>{t('card.files')}</h3>
      {card.files.length === 0
        ? <p className="hc-card-none"><Icon icon={iconFile} size={16} /> {t('card.noFiles')}</p>
        : <Files files={card.files} />}
    </>
  );
}

/** The patient: data, everything that was, files. */
export function PatientCard({ id, current, close }: Props) {
  const { t } = useTranslation();
  const query = usePatient(id);
  return (
    <div className="hc-patient" data-testid="patient-card">
      {close && (
        <button type="button" className="btn btn-icon btn-bare hc-patient-close" aria-label={t('state.close')} onClick={close}>
          <Icon icon={iconClose} />
        </button>
      )}
      {query.data && <Filled card={query.data} current={current} />}
      {query.isPending && <AfterPause><SkeletonRows count={5} height={56} /></AfterPause>}
      {query.isError && !query.data && <Failed error={query.error} retry={() => void query.refetch()} />}
    </div>
  );
}

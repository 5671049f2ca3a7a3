import { useTranslation } from 'react-i18next';

import { Header } from '../app/Header';
import { Search } from '../app/Search';
import { Empty } from '../ui/States';
import { iconMessage } from '../ui/icons';
import { usePhone } from '../ui/useMediaQuery';
import { ConsultationPane } from './ConsultationPane';
import { DeskList } from './DeskList';
import { useDeskPlace } from './useDeskPlace';

import './desk.css';

/** List, conversation, card; on a phone one of them at a time. */
export function Desk() {
  const { t } = useTranslation();
  const place = useDeskPlace();
  const phone = usePhone();
  const chosen = place.id !== undefined;
  return (
    <>
      {!(phone && chosen) && (
        <Header
          title={t('nav.consultations')}
          search={<Search value={place.q} placeholder={t('search.placeholder')} onChange={place.setSearch} />}
        />
      )}
      <div className="hc-desk">
        {!(phone && chosen) && <DeskList place={place} />}
        {place.id !== undefined && <ConsultationPane key={place.id} id={place.id} place={place} />}
        {!chosen && !phone && (
          <div className="hc-pane">
            <Empty icon={iconMessage} title={t('desk.choose')} hint={t('desk.chooseHint')} />
          </div>
        )}
      </div>
    </>
  );
}

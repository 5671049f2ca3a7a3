import { useTranslation } from 'react-i18next';
import { Link, useLocation, useParams, useSearchParams } from 'react-router';

import { usePatient } from '../api/queries';
import { Header } from '../app/Header';
import { ConversationView } from '../chat/ConversationView';
import { PatientCard } from '../patient/PatientCard';
import { Icon } from '../ui/Icon';
import { iconBack } from '../ui/icons';
import { usePhone } from '../ui/useMediaQuery';

/** One client: the card with the history, and the conversation for those who may read it. */
export function ClientPage() {
  const { t } = useTranslation();
  const { id = '' } = useParams();
  const phone = usePhone();
  const { data: card } = usePatient(id);
  const [params] = useSearchParams();
  const { key } = useLocation();
  const seq = Number(params.get('message'));
  const target = Number.isSafeInteger(seq) && seq > 0 ? { seq, key, words: [] } : undefined;
  const back = (
    <Link to="/clients" className="btn btn-icon btn-bare" aria-label={t('clients.all')} title={t('clients.all')}>
      <Icon icon={iconBack} size={22} />
    </Link>
  );
  return (
    <>
      <Header title={card ? card.name || t('person.noName') : t('nav.clients')} start={back} />
      <div className="hc-client">
        <div className="hc-client-card"><PatientCard id={id} /></div>
        {!phone && card && (
          <ConversationView id={card.conversation} writable={false} readOnly={t('consultation.readOnly')} target={target} />
        )}
      </div>
    </>
  );
}

import { IonContent, IonPage } from '@ionic/react';
import { useTranslation } from 'react-i18next';

import { useHome } from '../app/queries';
import { BackButton } from '../ui/BackButton';
import { Failure } from '../ui/Failure';
import { OfflineBar } from '../ui/OfflineBar';
import { Skeleton } from '../ui/Skeleton';
import { CallbackForm } from './CallbackForm';
import { CallbackState } from './CallbackState';
import '../history/consultation.css';
import './callback.css';

/** Ordering a call, or the state of the one that is ordered. */
export function CallbackPage() {
  const { t } = useTranslation();
  const home = useHome();
  return (
    <IonPage data-testid="callback">
      <IonContent>
        <div className="page">
          <div className="page-head">
            <BackButton to="/home" />
            <h1>{t('callback.title')}</h1>
          </div>
          {home.isPending && <Skeleton heights={[160, 48]} />}
          {home.isError && !home.data && <Failure retry={() => void home.refetch()} />}
          {home.data && (home.data.callback ? <CallbackState callback={home.data.callback} /> : <CallbackForm />)}
        </div>
      </IonContent>
      <OfflineBar />
    </IonPage>
  );
}

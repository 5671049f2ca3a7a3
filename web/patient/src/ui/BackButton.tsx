import { IonIcon, useIonRouter } from '@ionic/react';
import { chevronBackOutline } from 'ionicons/icons';
import { useTranslation } from 'react-i18next';

/** Back within the app; from a deep link, to that page. */
export function BackButton({ to }: { to: string }) {
  const { t } = useTranslation();
  const router = useIonRouter();
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={t('back')}
      data-testid="back"
      onClick={() => (router.canGoBack() ? router.goBack() : router.push(to, 'back', 'replace'))}
    >
      <IonIcon icon={chevronBackOutline} aria-hidden />
    </button>
  );
}

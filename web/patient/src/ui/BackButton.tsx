import { IonIcon, useIonRouter } from '@ionic/react';
import { chevronBackOutline } from 'ionicons/icons';
import { useTranslation } from 'react-i18next';

/**
 * Up to the page that holds this one. Not the history's "back": between tabs that
 * one can lead to the page the reader is on.
 */
export function BackButton({ to }: { to: string }) {
  const { t } = useTranslation();
  const router = useIonRouter();
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={t('back')}
      data-testid="back"
      onClick={() => router.push(to, 'back', 'replace')}
    >
      <IonIcon icon={chevronBackOutline} aria-hidden="true" />
    </button>
  );
}

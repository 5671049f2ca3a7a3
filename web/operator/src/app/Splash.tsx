import { CSpinner } from '@coreui/react';
import { useTranslation } from 'react-i18next';

export function Splash() {
  const { t } = useTranslation();
  return (
    <div className="hc-state" style={{ height: '100%', justifyContent: 'center' }}>
      <CSpinner color="primary" aria-label={t('state.loading')} />
    </div>
  );
}

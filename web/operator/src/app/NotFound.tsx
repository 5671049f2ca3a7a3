import { cilCompass } from '@coreui/icons';
import { useTranslation } from 'react-i18next';

import { Empty } from '../ui/States';
import { Header } from './Header';

export function NotFound() {
  const { t } = useTranslation();
  return (
    <>
      <Header title={t('state.notFound')} />
      <div className="hc-page"><Empty icon={cilCompass} title={t('state.notFound')} hint={t('state.notFoundHint')} /></div>
    </>
  );
}

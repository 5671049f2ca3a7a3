import { useTranslation } from 'react-i18next';

import { Empty } from '../ui/States';
import { iconCompass } from '../ui/icons';
import { Header } from './Header';

export function NotFound() {
  const { t } = useTranslation();
  return (
    <>
      <Header title={t('state.notFound')} />
      <div className="hc-page"><Empty icon={iconCompass} title={t('state.notFound')} hint={t('state.notFoundHint')} /></div>
    </>
  );
}

import { useTranslation } from 'react-i18next';

/** What happened and what to do; nothing of the person's is lost by a failed reading. */
export function Failure({ retry }: { retry: () => void }) {
  const { t } = useTranslation();
  return (
    <div className="failure" role="alert">
      <p>{t('failure.load')}</p>
      <button type="button" className="button-quiet" onClick={retry}>
        {t('failure.again')}
      </button>
    </div>
  );
}

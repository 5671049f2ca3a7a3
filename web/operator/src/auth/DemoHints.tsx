import { useTranslation } from 'react-i18next';

import { DEMO_ACCOUNTS, DEMO_PASSWORD, type DemoAccount } from './demoAccounts';

export type { DemoAccount };

/** Sign-ins of the demo data; a press fills the form. */
export function DemoHints({ choose }: { choose: (account: DemoAccount) => void }) {
  const { t } = useTranslation();
  return (
    <section className="hc-demo hc-card" data-testid="demo-hints">
      <h2>{t('auth.demo')}</h2>
      {DEMO_ACCOUNTS.map((account) => (
        <button key={account.email} type="button" onClick={() => choose(account)}>
          <span>{account.email}</span>
          <span>{t(`operators.roles.${account.role}`)}</span>
        </button>
      ))}
      <p>{t('auth.demoPassword', { password: DEMO_PASSWORD })}</p>
    </section>
  );
}

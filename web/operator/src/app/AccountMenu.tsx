import {
  CDropdown, CDropdownDivider, CDropdownHeader, CDropdownItem, CDropdownMenu, CDropdownToggle,
} from '@coreui/react';
import { useTranslation } from 'react-i18next';

import { useHouse, useMe } from '../api/house';
import { Avatar } from '../ui/Avatar';
import { Icon } from '../ui/Icon';
import { iconCheck, iconExit, iconMore } from '../ui/icons';
import { useFrame } from './frame';
import { LanguageSwitch } from './LanguageSwitch';
import { ThemeSwitch } from './ThemeSwitch';
import { STATUSES } from './useOwnStatus';

/** The operator's own name, status, theme, language and the way out. */
export function AccountMenu({ dialogs }: { dialogs: number | undefined }) {
  const { t } = useTranslation();
  const { session } = useHouse();
  const me = useMe();
  const { status, chosenStatus, chooseStatus } = useFrame();
  const words = t(`status.${status}`);
  const summary = dialogs ? t('status.dialogs', { count: dialogs, status: words }) : words;
  return (
    <CDropdown direction="dropup" autoClose="outside" className="hc-account" portal>
      <CDropdownToggle custom>
        <button
          type="button" className="hc-account-toggle" data-testid="account-menu"
          title={t('settings.account')}
        >
          <Avatar id={me.id} name={me.name} size={36} presence={status} />
          <span className="hc-sidebar-words">
            <strong>{me.name}</strong>
            <small>{summary}</small>
          </span>
          <Icon icon={iconMore} className="hc-account-more" />
        </button>
      </CDropdownToggle>
      <CDropdownMenu as="div" role="group" className="hc-account-menu">
        <CDropdownHeader as="div">{t('status.choose')}</CDropdownHeader>
        {STATUSES.map((choice) => (
          <CDropdownItem
            key={choice} as="button" type="button" data-testid={`status-${choice}`}
            onClick={() => chooseStatus(choice)}
          >
            <i className={`hc-status-dot is-${choice}`} />
            {t(`status.${choice}`)}
            {chosenStatus === choice && <Icon icon={iconCheck} size={16} className="hc-account-check" />}
          </CDropdownItem>
        ))}
        {status !== chosenStatus && (
          <p className="hc-account-seen" data-testid="status-seen">
            <i className={`hc-status-dot is-${status}`} />
            {t('status.seen', { status: words })}
          </p>
        )}
        <CDropdownDivider />
        <CDropdownHeader as="div">{t('settings.theme')}</CDropdownHeader>
        <div className="hc-account-row"><ThemeSwitch /></div>
        <CDropdownHeader as="div">{t('settings.language')}</CDropdownHeader>
        <div className="hc-account-row"><LanguageSwitch /></div>
        <CDropdownDivider />
        <CDropdownItem as="button" type="button" data-testid="sign-out" onClick={() => void session.signOut()}>
          <Icon icon={iconExit} size={18} />
          {t('auth.signOut')}
        </CDropdownItem>
      </CDropdownMenu>
    </CDropdown>
  );
}

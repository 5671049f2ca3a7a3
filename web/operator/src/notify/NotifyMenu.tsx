import { CDropdown, CDropdownMenu, CDropdownToggle, CFormSwitch } from '@coreui/react';
import { useTranslation } from 'react-i18next';

import { Icon } from '../ui/Icon';
import { iconBell } from '../ui/icons';
import { usePermission, useSound } from './settings';
import { chime } from './sound';

import './notify-menu.css';

/** The bell: sound on or off, and the browser's permission. */
export function NotifyMenu() {
  const { t } = useTranslation();
  const [sound, setSound] = useSound();
  const [permission, ask] = usePermission();
  const changeSound = (on: boolean) => {
    setSound(on);
    if (on) chime();
  };
  return (
    <CDropdown alignment="end" autoClose="outside" portal>
      <CDropdownToggle custom>
        <button type="button" className="btn btn-icon btn-bare hc-bell" aria-label={t('notify.label')} data-testid="notify-menu">
          <Icon icon={iconBell} size={22} off={!sound} />
          {permission === 'default' && <i className="hc-bell-dot" />}
        </button>
      </CDropdownToggle>
      <CDropdownMenu as="div" role="group" className="hc-notify">
        <div className="hc-notify-row">
          <CFormSwitch
            id="notify-sound" label={t('notify.sound')} checked={sound}
            onChange={(event) => changeSound(event.target.checked)}
          />
          <small>{t('notify.soundHint')}</small>
        </div>
        <div className="hc-notify-row">
          <CFormSwitch
            id="notify-desktop" label={t('notify.desktop')} checked={permission === 'granted'}
            disabled={permission !== 'default'} onChange={ask}
          />
          <small>{t(permission === 'denied' ? 'notify.denied' : 'notify.desktopHint')}</small>
        </div>
      </CDropdownMenu>
    </CDropdown>
  );
}

import { CButton } from '@coreui/react';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';

import { NotifyMenu } from '../notify/NotifyMenu';
import { Icon } from '../ui/Icon';
import { iconMenu } from '../ui/icons';
import { usePhone } from '../ui/useMediaQuery';
import { useFrame } from './frame';

import './header.css';

type Props = { title: string; search?: ReactNode; start?: ReactNode };

/** The head of each page: its title, its search if it has one, and the bell. */
export function Header({ title, search, start }: Props) {
  const { t } = useTranslation();
  const { openMenu } = useFrame();
  const phone = usePhone();
  return (
    <header className="hc-header">
      {phone && !start && (
        <CButton color="link" className="btn-icon btn-bare" aria-label={t('nav.menu')} data-testid="menu" onClick={openMenu}>
          <Icon icon={iconMenu} size={22} />
        </CButton>
      )}
      {start}
      <h1>{title}</h1>
      {search}
      <NotifyMenu />
    </header>
  );
}

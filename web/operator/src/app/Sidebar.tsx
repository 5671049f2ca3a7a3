import { CNavItem, CSidebarNav } from '@coreui/react';
import { useTranslation } from 'react-i18next';
import { NavLink } from 'react-router';

import { useMe } from '../api/house';
import { useBrand } from '../api/queries';
import { Icon } from '../ui/Icon';
import { AccountMenu } from './AccountMenu';
import { BrandMark } from './BrandMark';
import { sectionsOf } from './sections';
import type { Counts } from './useCounts';

import './sidebar.css';

type Props = { counts: Counts; onGo?: () => void };

/** Brand, sections with their counts, and the operator's own corner. */
export function Sidebar({ counts, onGo }: Props) {
  const { t } = useTranslation();
  const { data: brand } = useBrand();
  const me = useMe();
  return (
    <aside className="sidebar show hc-sidebar" aria-label={t('nav.menu')}>
      <div className="hc-sidebar-brand">
        <BrandMark />
        <span className="hc-sidebar-words">
          <strong>{brand?.name ?? ' '}</strong>
          <small>{t('brand.portal')}</small>
        </span>
      </div>
      <nav className="hc-sections" aria-label={t('nav.label')}>
        <CSidebarNav>
          {sectionsOf(me.role).map((section) => {
            const count = section.count?.(counts) ?? 0;
            return (
              <CNavItem key={section.path}>
                <NavLink
                  to={section.path} className="nav-link" data-testid={section.testId}
                  title={t(section.label)} {...(onGo && { onClick: onGo })}
                >
                  <Icon icon={section.icon} className="hc-nav-icon" />
                  <span className="hc-sidebar-words">{t(section.label)}</span>
                  {count > 0 && <span className="hc-count is-urgent">{count > 99 ? '99+' : count}</span>}
                </NavLink>
              </CNavItem>
            );
          })}
        </CSidebarNav>
      </nav>
      <AccountMenu dialogs={me.role === 'admin' ? undefined : counts.mine} />
    </aside>
  );
}

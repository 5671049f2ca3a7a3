import { COffcanvas } from '@coreui/react';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Navigate, Route, Routes } from 'react-router';

import { useMe } from '../api/house';
import { useChanges } from '../api/useChanges';
import { CallHost } from '../call/CallHost';
import { Calls } from '../calls/Calls';
import { ClientPage } from '../clients/ClientPage';
import { Clients } from '../clients/Clients';
import { Desk } from '../desk/Desk';
import { useNotifier } from '../notify/useNotifier';
import { Operators } from '../operators/Operators';
import { Requests } from '../requests/Requests';
import { usePhone } from '../ui/useMediaQuery';
import { FrameContext } from './frame';
import { NotFound } from './NotFound';
import { OfflineBar } from './OfflineBar';
import { sectionsOf } from './sections';
import { Sidebar } from './Sidebar';
import { useCounts } from './useCounts';
import { useOwnStatus } from './useOwnStatus';

import './portal.css';

const PAGES: Record<string, [string, () => React.ReactNode][]> = {
  '/consultations': [['/consultations', Desk], ['/consultations/:id', Desk]],
  '/requests': [['/requests', Requests]],
  '/calls': [['/calls', Calls], ['/calls/:id', Calls]],
  '/clients': [['/clients', Clients], ['/clients/:id', ClientPage]],
  '/operators': [['/operators', Operators]],
};

function Pages() {
  const sections = sectionsOf(useMe().role);
  return (
    <Routes>
      <Route index element={<Navigate replace to={sections[0]?.path ?? '/'} />} />
      {sections.flatMap(({ path }) => PAGES[path] ?? []).map(([path, Page]) => (
        <Route key={path} path={path} element={<Page />} />
      ))}
      <Route path="*" element={<NotFound />} />
    </Routes>
  );
}

/** The frame of a signed-in operator; a call lives above the pages and outlives them. */
export function Portal() {
  const { t } = useTranslation();
  const phone = usePhone();
  const [menu, setMenu] = useState(false);
  const counts = useCounts();
  useChanges();
  useNotifier(counts);
  const { status, chosenStatus, chooseStatus } = useOwnStatus();
  const frame = useMemo(
    () => ({ openMenu: () => setMenu(true), status, chosenStatus, chooseStatus }),
    [status, chosenStatus, chooseStatus],
  );
  return (
    <FrameContext.Provider value={frame}>
      <div className="hc-frame">
        {!phone && <Sidebar counts={counts} />}
        {phone && (
          <COffcanvas placement="start" visible={menu} onHide={() => setMenu(false)} className="hc-menu" aria-label={t('nav.menu')}>
            <Sidebar counts={counts} onGo={() => setMenu(false)} />
          </COffcanvas>
        )}
        <main className="hc-main">
          <OfflineBar />
          <CallHost><Pages /></CallHost>
        </main>
      </div>
    </FrameContext.Provider>
  );
}

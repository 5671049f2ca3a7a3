import { IonBadge, IonIcon, IonLabel, IonRouterOutlet, IonTabBar, IonTabButton, IonTabs } from '@ionic/react';
import { chatbubbleOutline, homeOutline, personOutline, timeOutline } from 'ionicons/icons';
import { useTranslation } from 'react-i18next';
import { Navigate, Route, useLocation } from 'react-router-dom';

import { CallbackPage } from '../callback/CallbackPage';
import { ChatPage } from '../chat/ChatPage';
import { Consultation } from '../history/Consultation';
import { History } from '../history/History';
import { Home } from '../home/Home';
import { Profile } from '../profile/Profile';
import { useConversation, useMe } from './client';

export function Tabs() {
  const { t } = useTranslation();
  const { conversation } = useMe();
  const { pathname } = useLocation();
  return (
    <IonTabs>
      <IonRouterOutlet>
        <Route path="/home" element={<Home />} />
        <Route path="/chat" element={<ChatPage />} />
        <Route path="/history" element={<History />} />
        <Route path="/history/:id" element={<Consultation />} />
        <Route path="/callback" element={<CallbackPage />} />
        <Route path="/profile" element={<Profile />} />
        <Route path="*" element={<Navigate to="/home" replace />} />
      </IonRouterOutlet>
      <IonTabBar slot="bottom" className={isInner(pathname) ? 'is-inner' : ''}>
        <IonTabButton tab="home" href="/home" data-testid="tab-home">
          <IonIcon icon={homeOutline} aria-hidden="true" />
          <IonLabel>{t('tab.home')}</IonLabel>
        </IonTabButton>
        <IonTabButton tab="chat" href="/chat" data-testid="tab-chat">
          <IonIcon icon={chatbubbleOutline} aria-hidden="true" />
          <IonLabel>{t('tab.chat')}</IonLabel>
          {conversation && <Unread conversation={conversation} />}
        </IonTabButton>
        <IonTabButton tab="history" href="/history" data-testid="tab-history">
          <IonIcon icon={timeOutline} aria-hidden="true" />
          <IonLabel>{t('tab.history')}</IonLabel>
        </IonTabButton>
        <IonTabButton tab="profile" href="/profile" data-testid="tab-profile">
          <IonIcon icon={personOutline} aria-hidden="true" />
          <IonLabel>{t('tab.profile')}</IonLabel>
        </IonTabButton>
      </IonTabBar>
    </IonTabs>
  );
}

/** Pages with one thing to do and a way back, without the tabs. */
function isInner(pathname: string): boolean {
  return pathname === '/chat' || pathname === '/callback' || /^\/history\/./.test(pathname);
}

function Unread({ conversation }: { conversation: string }) {
  const { t } = useTranslation();
  const { unread } = useConversation(conversation);
  if (unread === 0) return null;
  return (
    <IonBadge data-testid="chat-unread" aria-label={t('chat.unread', { count: unread })}>
      {unread}
    </IonBadge>
  );
}

import { IonApp } from '@ionic/react';
import { IonReactRouter } from '@ionic/react-router';
import { applyBrand } from '@housecall/sdk';
import { QueryClientProvider } from '@tanstack/react-query';
import { useEffect, type ReactNode } from 'react';

import { CallHost } from '../call/CallHost';
import { ProfileStep } from '../sign-in/ProfileStep';
import { SignIn } from '../sign-in/SignIn';
import { Splash } from '../ui/Splash';
import { housecall, useCall, useSession } from './client';
import { queryClient, useBrand } from './queries';
import { Tabs } from './Tabs';

export function App() {
  useEffect(() => void housecall.session.restore(), []);
  return (
    <QueryClientProvider client={queryClient}>
      <IonApp>
        <Brand />
        <Door />
      </IonApp>
    </QueryClientProvider>
  );
}

function Brand() {
  const { data } = useBrand();
  useEffect(() => {
    if (!data) return;
    applyBrand(data);
    document.title = data.name;
  }, [data]);
  return null;
}

/** What a person sees depends on whether they are known. */
function Door() {
  const session = useSession();
  switch (session.status) {
    case 'restoring':
      return <Splash />;
    case 'signed_out':
      return <SignIn ended={session.reason === 'ended'} />;
    case 'signed_in':
      return session.me.needs_profile ? <ProfileStep /> : <SignedIn key={session.me.id} person={session.me.id} />;
  }
}

function SignedIn({ person }: { person: string }) {
  useEffect(() => {
    housecall.realtime.start();
    void housecall.chat.resume();
    return () => housecall.realtime.stop();
  }, [person]);
  return (
    <>
      <Behind>
        <IonReactRouter>
          <Tabs />
        </IonReactRouter>
      </Behind>
      <CallHost />
    </>
  );
}

/** The pages; out of reach of keys and screen readers while a call lies over them. */
function Behind({ children }: { children: ReactNode }) {
  const call = useCall();
  return (
    <div className="behind" inert={call !== null}>
      {children}
    </div>
  );
}

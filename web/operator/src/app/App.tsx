import type { Housecall } from '@housecall/sdk';
import { applyBrand } from '@housecall/sdk';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import { BrowserRouter } from 'react-router';

import { HouseProvider, useHouse, useSession } from '../api/house';
import { worthRetrying } from '../api/problems';
import { useBrand } from '../api/queries';
import { SignIn } from '../auth/SignIn';
import { AfterPause } from '../ui/States';
import { Crash } from './Crash';
import { Portal } from './Portal';
import { Splash } from './Splash';
import { ToastProvider } from './toasts';

function queryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // Changes are announced; the clock is for the announcement that got lost.
        staleTime: 30_000,
        retry: worthRetrying,
      },
    },
  });
}

function Branded({ children }: { children: ReactNode }) {
  const { data: brand } = useBrand();
  useEffect(() => {
    if (brand) applyBrand(brand);
  }, [brand]);
  return children;
}

/** The sign-in, or the portal of the one who signed in. */
function Door({ client }: { client: QueryClient }) {
  const { realtime, chat } = useHouse();
  const session = useSession();
  const person = session.status === 'signed_in' ? session.me.id : undefined;
  useEffect(() => {
    if (person === undefined) return undefined;
    realtime.start();
    void chat.resume();
    return () => {
      realtime.stop();
      // The next person at this desk sees nothing of the last one's.
      client.removeQueries({ predicate: (query) => query.queryKey[0] !== 'brand' });
    };
  }, [person, realtime, chat, client]);
  if (session.status === 'restoring') return <AfterPause><Splash /></AfterPause>;
  if (session.status === 'signed_out') return <SignIn ended={session.reason === 'ended'} />;
  return <Portal key={session.me.id} />;
}

export function App({ house }: { house: Housecall }) {
  const [client] = useState(queryClient);
  return (
    <Crash>
      <HouseProvider house={house}>
        <QueryClientProvider client={client}>
          <BrowserRouter basename="/portal">
            <ToastProvider>
              <Branded><Door client={client} /></Branded>
            </ToastProvider>
          </BrowserRouter>
        </QueryClientProvider>
      </HouseProvider>
    </Crash>
  );
}

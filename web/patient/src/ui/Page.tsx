import { IonContent, IonPage } from '@ionic/react';
import type { ReactNode } from 'react';

import { OfflineBar } from './OfflineBar';

interface Props {
  title: string;
  testId: string;
  back?: ReactNode;
  children: ReactNode;
}

/** A page with a plain title at its top. */
export function Page({ title, testId, back, children }: Props) {
  return (
    <IonPage data-testid={testId}>
      <IonContent>
        <div className="page">
          <div className="page-head">
            {back}
            <h1>{title}</h1>
          </div>
          {children}
        </div>
      </IonContent>
      <OfflineBar />
    </IonPage>
  );
}

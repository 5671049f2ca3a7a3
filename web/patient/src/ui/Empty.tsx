import { IonIcon } from '@ionic/react';
import type { ReactNode } from 'react';

/** Says what will appear here and how to make it appear. */
export function Empty({ icon, title, text, children }: { icon: string; title: string; text: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <IonIcon icon={icon} aria-hidden="true" />
      <h2>{title}</h2>
      <p>{text}</p>
      {children}
    </div>
  );
}

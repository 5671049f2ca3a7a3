import type { CodeSent } from '@housecall/sdk';
import { useState } from 'react';

import { useBrand } from '../app/queries';
import { BrandMark } from '../ui/BrandMark';
import { CodeStep } from './CodeStep';
import { PhoneStep } from './PhoneStep';
import './sign-in.css';

export interface Sent extends CodeSent {
  phone: string;
  at: number;
}

/** By phone number and one-time code. */
export function SignIn({ ended }: { ended: boolean }) {
  const { data: brand } = useBrand();
  const [sent, setSent] = useState<Sent | null>(null);
  return (
    <main className="sign-in" data-testid="sign-in">
      <div className="sign-in-brand">
        <BrandMark size={48} />
        <p>{brand?.name}</p>
      </div>
      {sent ? (
        <CodeStep sent={sent} onSent={setSent} onBack={() => setSent(null)} />
      ) : (
        <PhoneStep ended={ended} onSent={setSent} />
      )}
    </main>
  );
}

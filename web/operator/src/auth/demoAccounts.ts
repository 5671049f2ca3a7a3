/** Sign-ins that `crm-api` seeds in demo mode; shown only when the brand says it is one. */
import type { Role } from '@housecall/sdk';

export type DemoAccount = { email: string; password: string; role: Role };

export const DEMO_PASSWORD = 'demo-housecall';

export const DEMO_ACCOUNTS: DemoAccount[] = [
  { email: 'petrov@demo.housecall', password: DEMO_PASSWORD, role: 'doctor' },
  { email: 'sokolova@demo.housecall', password: DEMO_PASSWORD, role: 'doctor' },
  { email: 'belova@demo.housecall', password: DEMO_PASSWORD, role: 'doctor' },
  { email: 'supervisor@demo.housecall', password: DEMO_PASSWORD, role: 'supervisor' },
  { email: 'admin@demo.housecall', password: DEMO_PASSWORD, role: 'admin' },
];

import type { Role } from '@housecall/sdk';

export type DemoAccount = { email: string; password: string; role: Role };

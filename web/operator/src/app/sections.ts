import type { Role } from '@housecall/sdk';

import type { Counts } from './useCounts';
import { iconHeadset, iconMessage, iconPeople, iconPhone, iconVideo } from '../ui/icons';

export type Section = {
  path: string;
  icon: string[];
  label: string;
  title: string;
  testId: string;
  count?: (counts: Counts) => number;
};

const CONSULTATIONS: Section = {
  path: '/consultations', icon: iconMessage, label: 'nav.consultations',
  title: 'nav.consultations', testId: 'nav-consultations', count: (counts) => counts.waiting,
};
const REQUESTS: Section = {
  path: '/requests', icon: iconPhone, label: 'nav.requests',
  title: 'nav.requestsTitle', testId: 'nav-requests', count: (counts) => counts.requests,
};
const CALLS: Section = {
  path: '/calls', icon: iconVideo, label: 'nav.calls',
  title: 'nav.calls', testId: 'nav-calls',
};
const CLIENTS: Section = {
  path: '/clients', icon: iconPeople, label: 'nav.clients',
  title: 'nav.clients', testId: 'nav-clients',
};
const OPERATORS: Section = {
  path: '/operators', icon: iconHeadset, label: 'nav.operators',
  title: 'nav.operators', testId: 'nav-operators',
};

/** What a role sees: nobody meets a page that would refuse them. */
export function sectionsOf(role: Role | null): Section[] {
  if (role === 'admin') return [OPERATORS];
  const served = [CONSULTATIONS, REQUESTS, CALLS, CLIENTS];
  return role === 'supervisor' ? [...served, OPERATORS] : served;
}

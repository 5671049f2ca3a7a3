import { cilChatBubble, cilHeadphones, cilPeople, cilPhone } from '@coreui/icons';
import type { Role } from '@housecall/sdk';

import type { Counts } from './useCounts';

export type Section = {
  path: string;
  icon: string[];
  label: string;
  title: string;
  testId: string;
  count?: (counts: Counts) => number;
};

const CONSULTATIONS: Section = {
  path: '/consultations', icon: cilChatBubble, label: 'nav.consultations',
  title: 'nav.consultations', testId: 'nav-consultations', count: (counts) => counts.waiting,
};
const REQUESTS: Section = {
  path: '/requests', icon: cilPhone, label: 'nav.requests',
  title: 'nav.requestsTitle', testId: 'nav-requests', count: (counts) => counts.requests,
};
const CLIENTS: Section = {
  path: '/clients', icon: cilPeople, label: 'nav.clients',
  title: 'nav.clients', testId: 'nav-clients',
};
const OPERATORS: Section = {
  path: '/operators', icon: cilHeadphones, label: 'nav.operators',
  title: 'nav.operators', testId: 'nav-operators',
};

/** What a role sees: nobody meets a page that would refuse them. */
export function sectionsOf(role: Role | null): Section[] {
  if (role === 'admin') return [OPERATORS];
  const served = [CONSULTATIONS, REQUESTS, CLIENTS];
  return role === 'supervisor' ? [...served, OPERATORS] : served;
}

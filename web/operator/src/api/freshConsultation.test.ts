import type { ConsultationSummary } from '@housecall/sdk';
import { QueryClient, QueryObserver } from '@tanstack/react-query';
import { expect, test } from 'vitest';

import { refreshConsultations, waitingPatients } from './freshConsultation';

const row = (id: string, state: string) => ({ id, state, patient: { id: `p-${id}` } }) as ConsultationSummary;

function clientWith(shown: ConsultationSummary, queue: ConsultationSummary[], next: string | null = null): QueryClient {
  const client = new QueryClient();
  client.setQueryData(['consultation', shown.id], shown);
  client.setQueryData(['consultations', 'queue', ''], { pages: [{ items: queue, next }], pageParams: [undefined] });
  return client;
}

test('a waiting consultation follows its list', () => {
  const client = clientWith(row('a', 'waiting'), [{ ...row('a', 'waiting'), unread: 3 }]);
  refreshConsultations(client, false);
  expect(client.getQueryData<ConsultationSummary>(['consultation', 'a'])?.unread).toBe(3);
  expect(client.getQueryData(['gone', 'a'])).toBe(false);
});

test('one that left every list is gone', () => {
  const client = clientWith(row('a', 'waiting'), []);
  refreshConsultations(client, false);
  expect(client.getQueryData(['gone', 'a'])).toBe(true);
});

test('beyond the loaded pages nothing is known', () => {
  const client = clientWith(row('a', 'waiting'), [], 'cursor');
  refreshConsultations(client, false);
  expect(client.getQueryData(['gone', 'a'])).toBeUndefined();
});

test('a supervisor asks again', () => {
  const client = clientWith(row('a', 'waiting'), []);
  refreshConsultations(client, true);
  expect(client.getQueryState(['consultation', 'a'])?.isInvalidated).toBe(true);
});

test('an active one is asked for again', () => {
  const client = clientWith(row('a', 'active'), []);
  refreshConsultations(client, false);
  expect(client.getQueryState(['consultation', 'a'])?.isInvalidated).toBe(true);
});

test.each([['waiting', ['p-a']], ['active', []]])('the card beside a %s one', (state, left) => {
  const client = clientWith(row('a', state), []);
  expect([...waitingPatients(client)]).toEqual([]);
  const stop = new QueryObserver(client, { queryKey: ['consultation', 'a'] }).subscribe(() => undefined);
  expect([...waitingPatients(client)]).toEqual(left);
  stop();
});

/**
 * A consultation that somebody else took is closed to those who only saw it
 * wait, and asking for it would be refused. So a waiting one is looked up in the
 * lists, which are fetched anyway, before anything is asked about it.
 */
import type { ConsultationPage, ConsultationSummary } from '@housecall/sdk';
import type { InfiniteData, QueryClient } from '@tanstack/react-query';

const OPEN_LISTS = ['queue', 'mine', 'all'];

/** The newest copy among the open lists. */
export function listedConsultation(client: QueryClient, id: string): ConsultationSummary | undefined {
  for (const tab of OPEN_LISTS) {
    const lists = client.getQueriesData<InfiniteData<ConsultationPage>>({ queryKey: ['consultations', tab] });
    for (const [, data] of lists) {
      const found = data?.pages.flatMap((page) => page.items).find((row) => row.id === id);
      if (found) return found;
    }
  }
  return undefined;
}

/** The whole queue is loaded, so that what is not in it does not wait. */
function queueIsWhole(client: QueryClient): boolean {
  const queue = client.getQueryData<InfiniteData<ConsultationPage>>(['consultations', 'queue', '']);
  return queue !== undefined && !queue.pages.at(-1)?.next;
}

/**
 * Patients shown beside a consultation that waits: any moment it may be
 * somebody else's, and asking for the card would then be refused.
 */
export function waitingPatients(client: QueryClient): Set<string> {
  const shown = client.getQueryCache().findAll({ queryKey: ['consultation'], type: 'active' });
  const rows = shown.map((query) => query.state.data as ConsultationSummary | undefined);
  return new Set(rows.flatMap((row) => (row?.state === 'waiting' ? [row.patient.id] : [])));
}

/**
 * Brings shown consultations up to date; run after the lists were fetched.
 * `readsAll`: a supervisor is never refused.
 */
export function refreshConsultations(client: QueryClient, readsAll: boolean): void {
  for (const [key, row] of client.getQueriesData<ConsultationSummary>({ queryKey: ['consultation'] })) {
    if (!row) continue;
    if (row.state !== 'waiting' || readsAll) {
      void client.invalidateQueries({ queryKey: key });
      continue;
    }
    const listed = listedConsultation(client, row.id);
    if (listed) client.setQueryData(key, listed);
    if (listed || queueIsWhole(client)) client.setQueryData(['gone', row.id], listed === undefined);
  }
}

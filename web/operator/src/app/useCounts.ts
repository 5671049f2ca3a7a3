import { useMe } from '../api/house';
import { itemsOf, useCallbacks, useConsultations } from '../api/queries';

/** What the sidebar, the title and the notifications count. Administrators read no records. */
export function useCounts() {
  const served = useMe().role !== 'admin';
  const queue = useConsultations('queue', '', served);
  const mine = useConsultations('mine', '', served);
  const callbacks = useCallbacks('new', served);
  const counts = queue.data?.pages[0]?.counts;
  const requests = callbacks.data?.pages[0]?.counts;
  return {
    waiting: counts?.waiting ?? 0,
    mine: counts?.mine ?? 0,
    active: counts?.active ?? 0,
    requests: requests?.new ?? 0,
    overdue: requests?.overdue ?? 0,
    unread: itemsOf(mine.data).reduce((sum, row) => sum + row.unread, 0),
    queueRows: queue.data && itemsOf(queue.data),
    mineRows: mine.data && itemsOf(mine.data),
    requestRows: callbacks.data && itemsOf(callbacks.data),
  };
}

export type Counts = ReturnType<typeof useCounts>;

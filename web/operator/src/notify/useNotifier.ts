import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate } from 'react-router';

import type { Counts } from '../app/useCounts';
import { useBrand } from '../api/queries';
import { Arrivals } from './arrivals';
import { showNotice, soundIsOn } from './settings';
import { chime } from './sound';

type News = { id: string; title: string; body: string; path: string };

function useAnnounce(rows: News[] | undefined): void {
  const navigate = useNavigate();
  const arrivals = useRef(new Arrivals());
  useEffect(() => {
    if (!rows) return;
    const fresh = arrivals.current.look(rows);
    if (fresh.length === 0) return;
    if (soundIsOn()) chime();
    for (const { title, body, path } of fresh.slice(0, 3)) {
      showNotice(title, body, () => void navigate(path));
    }
  }, [rows, navigate]);
}

/** Sound and a notice for each new question, request and unread message; the count in the title. */
export function useNotifier(counts: Counts): void {
  const { t } = useTranslation();
  const { data: brand } = useBrand();
  const name = (patient: { name: string }) => patient.name || t('person.noName');
  useAnnounce(counts.queueRows?.map((row) => ({
    id: row.id, title: t('notify.question'), body: name(row.patient),
    path: `/consultations/${row.id}?tab=queue`,
  })));
  useAnnounce(counts.requestRows?.map((row) => ({
    id: row.id, title: t('notify.callback'), body: name(row.patient), path: '/requests?state=new',
  })));
  useAnnounce(counts.mineRows?.filter((row) => row.unread > 0).map((row) => ({
    id: `${row.id} ${row.last_message?.seq ?? 0}`, title: t('notify.message'),
    body: name(row.patient), path: `/consultations/${row.id}?tab=mine`,
  })));
  const count = counts.waiting + counts.requests + counts.unread;
  useEffect(() => {
    const place = brand ? `${t('brand.portal')}, ${brand.name}` : t('brand.portal');
    document.title = count > 0 ? `(${count}) ${place}` : place;
  }, [count, brand, t]);
}

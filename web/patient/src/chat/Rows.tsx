import { timeline, type ChatItem, type TimelineRow } from '@housecall/sdk';
import { memo, useMemo } from 'react';
import { useTranslation } from 'react-i18next';

import { day } from '../app/format';
import { Bubble, type BubbleActions } from './Bubble';
import { systemText } from './system';
import './rows.css';

interface Props extends BubbleActions {
  items: readonly ChatItem[];
  /** The message that was looked for. */
  foundSeq?: number | null;
}

/** The conversation's rows, without the scrolling around them. */
export function Rows({ items, foundSeq = null, ...actions }: Props) {
  const rows = useMemo(() => timeline(items), [items]);
  return (
    <div className="rows" role="log">
      {rows.map((row) => (
        <Row
          key={row.key}
          row={row}
          found={row.kind === 'message' && row.item.seq !== null && row.item.seq === foundSeq}
          {...actions}
        />
      ))}
    </div>
  );
}

/** Rows are made anew at each change; what they show is compared here. */
const Row = memo(RowContent, (a, b) => {
  if (a.onRetry !== b.onRetry || a.onMenu !== b.onMenu || a.onReveal !== b.onReveal) return false;
  if (a.found !== b.found || a.row.kind !== b.row.kind || a.row.key !== b.row.key) return false;
  if (a.row.kind === 'day' || b.row.kind === 'day') return true;
  if (a.row.item !== b.row.item) return false;
  return a.row.kind !== 'message' || b.row.kind !== 'message' || (a.row.first === b.row.first && a.row.last === b.row.last);
});

function RowContent({ row, found, ...actions }: { row: TimelineRow; found: boolean } & BubbleActions) {
  const { t } = useTranslation();
  switch (row.kind) {
    case 'day':
      return <p className="row-day">{day(row.at)}</p>;
    case 'consultation':
    case 'system': {
      if (row.item.body.kind !== 'system') return null;
      const text = systemText(row.item.body.event, t);
      return (
        <p className={`pill ${row.kind === 'consultation' ? 'is-divider' : ''}`} data-testid="system-message" data-seq={row.item.seq}>
          {text}
        </p>
      );
    }
    case 'message':
      return <Bubble item={row.item} first={row.first} last={row.last} found={found} {...actions} />;
  }
}

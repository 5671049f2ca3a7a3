import { timeline, type ChatItem, type TimelineRow } from '@housecall/sdk';
import { memo, useMemo } from 'react';
import { useTranslation } from 'react-i18next';

import { day } from '../app/format';
import { Bubble, type BubbleActions } from './Bubble';
import { systemText } from './system';
import './rows.css';

interface Props extends BubbleActions {
  items: readonly ChatItem[];
  /** Words found in messages, by seq. */
  found?: ReadonlyMap<number, readonly string[]>;
}

/** The conversation's rows, without the scrolling around them. */
export function Rows({ items, found, ...actions }: Props) {
  const rows = useMemo(() => timeline(items), [items]);
  return (
    <div className="rows" role="log">
      {rows.map((row) => (
        <Row
          key={row.key}
          row={row}
          words={row.kind === 'message' && row.item.seq !== null ? found?.get(row.item.seq) : undefined}
          {...actions}
        />
      ))}
    </div>
  );
}

/** Rows are made anew at each change; what they show is compared here. */
const Row = memo(RowContent, (a, b) => {
  if (a.onRetry !== b.onRetry || a.onMenu !== b.onMenu || a.onReveal !== b.onReveal) return false;
  if (a.words !== b.words || a.row.kind !== b.row.kind || a.row.key !== b.row.key) return false;
  if (a.row.kind === 'day' || b.row.kind === 'day') return true;
  if (a.row.item !== b.row.item) return false;
  return a.row.kind !== 'message' || b.row.kind !== 'message' || (a.row.first === b.row.first && a.row.last === b.row.last);
});

interface RowProps extends BubbleActions {
  row: TimelineRow;
  words: readonly string[] | undefined;
}

function RowContent({ row, words, ...actions }: RowProps) {
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
      return <Bubble item={row.item} first={row.first} last={row.last} words={words} {...actions} />;
  }
}

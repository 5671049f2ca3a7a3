import { useRef, useState, type KeyboardEvent, type PointerEvent } from 'react';
import { useTranslation } from 'react-i18next';

import { Picture } from './Picture';

type Corner = 'top-right' | 'bottom-right' | 'bottom-left' | 'top-left';
const CORNERS: Corner[] = ['top-right', 'bottom-right', 'bottom-left', 'top-left'];

/** The own picture; dragged, it settles in the nearest corner. */
export function OwnTile({ stream, mirrored }: { stream: MediaStream; mirrored: boolean }) {
  const { t } = useTranslation();
  const [corner, setCorner] = useState<Corner>('top-right');
  const [offset, setOffset] = useState<{ x: number; y: number } | null>(null);
  const start = useRef<{ x: number; y: number } | null>(null);

  const handleDown = (event: PointerEvent<HTMLDivElement>) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    start.current = { x: event.clientX, y: event.clientY };
  };
  const handleMove = (event: PointerEvent) => {
    if (start.current) setOffset({ x: event.clientX - start.current.x, y: event.clientY - start.current.y });
  };
  const handleUp = (event: PointerEvent<HTMLDivElement>) => {
    if (start.current && offset) setCorner(nearestCorner(event.currentTarget));
    start.current = null;
    setOffset(null);
  };
  const handleKey = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    setCorner(CORNERS[(CORNERS.indexOf(corner) + 1) % CORNERS.length] ?? 'top-right');
  };

  return (
    <div
      className={`own-tile is-${corner} ${offset ? 'is-dragged' : ''}`}
      style={offset ? { transform: `translate(${offset.x}px, ${offset.y}px)` } : undefined}
      role="button"
      tabIndex={0}
      aria-label={t('call.own_tile')}
      onPointerDown={handleDown}
      onPointerMove={handleMove}
      onPointerUp={handleUp}
      onPointerCancel={handleUp}
      onKeyDown={handleKey}
    >
      <Picture stream={stream} mirrored={mirrored} testId="local-video" />
    </div>
  );
}

function nearestCorner(tile: HTMLElement): Corner {
  const stage = tile.parentElement?.getBoundingClientRect();
  const own = tile.getBoundingClientRect();
  if (!stage) return 'top-right';
  const left = own.left + own.width / 2 < stage.left + stage.width / 2;
  const top = own.top + own.height / 2 < stage.top + stage.height / 2;
  return `${top ? 'top' : 'bottom'}-${left ? 'left' : 'right'}`;
}

import { type PointerEvent, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { Video } from './Video';

type Corner = { top: boolean; left: boolean };
type Drag = { x: number; y: number; dx: number; dy: number };

/** The own picture; dragged, it settles in the nearest corner. */
export function OwnTile({ stream }: { stream: MediaStream }) {
  const { t } = useTranslation();
  const tile = useRef<HTMLDivElement>(null);
  const [corner, setCorner] = useState<Corner>({ top: true, left: false });
  const [drag, setDrag] = useState<Drag>();
  const onDown = (event: PointerEvent) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    setDrag({ x: event.clientX, y: event.clientY, dx: 0, dy: 0 });
  };
  const onMove = (event: PointerEvent) => {
    if (drag) setDrag({ ...drag, dx: event.clientX - drag.x, dy: event.clientY - drag.y });
  };
  const onUp = () => {
    const box = tile.current?.getBoundingClientRect();
    const room = tile.current?.parentElement?.getBoundingClientRect();
    setDrag(undefined);
    if (!box || !room) return;
    setCorner({
      top: box.top + box.height / 2 < room.top + room.height / 2,
      left: box.left + box.width / 2 < room.left + room.width / 2,
    });
  };
  const place = `${corner.top ? 'is-top' : 'is-bottom'} ${corner.left ? 'is-left' : 'is-right'}`;
  return (
    <div
      ref={tile} className={`hc-own ${place}`} title={t('call.you')}
      style={drag && { transform: `translate(${drag.dx}px, ${drag.dy}px)`, transition: 'none' }}
      onPointerDown={onDown} onPointerMove={onMove} onPointerUp={onUp} onPointerCancel={onUp}
    >
      <Video stream={stream} label={t('call.you')} mirrored testId="local-video" />
    </div>
  );
}

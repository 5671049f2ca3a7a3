import { type DragEvent, useRef, useState } from 'react';

/** Files dragged over an element; nothing happens without a taker. */
export function useDrop(take: ((files: File[]) => void) | undefined) {
  const [over, setOver] = useState(false);
  // Every child sends its own enter and leave; only their balance is the truth.
  const depth = useRef(0);
  const carries = (event: DragEvent) => take && event.dataTransfer.types.includes('Files');
  const end = () => {
    depth.current = 0;
    setOver(false);
  };
  const handlers = {
    onDragEnter(event: DragEvent) {
      if (!carries(event)) return;
      event.preventDefault();
      depth.current += 1;
      setOver(true);
    },
    onDragOver(event: DragEvent) {
      if (carries(event)) event.preventDefault();
    },
    onDragLeave(event: DragEvent) {
      if (!carries(event)) return;
      depth.current -= 1;
      if (depth.current <= 0) end();
    },
    onDrop(event: DragEvent) {
      if (!carries(event)) return;
      event.preventDefault();
      end();
      take?.([...event.dataTransfer.files]);
    },
  };
  return { over, handlers };
}

import type { TrackSource } from '@housecall/sdk';
import { useEffect, useRef } from 'react';

import { useHouse } from '../api/house';

type Props = {
  stream: MediaStream;
  label: string;
  mirrored?: boolean;
  fit?: 'cover' | 'contain';
  testId?: string;
  /** Whose track it is: its size on the screen decides what the relay sends. */
  track?: { person: string; source: TrackSource } | undefined;
  /** Told the element, for as long as it shows the stream. */
  observe?: (element: HTMLVideoElement) => () => void;
};

/** A picture without sound: the SDK plays the sound. */
export function Video({ stream, label, mirrored = false, fit = 'cover', testId, observe, track }: Props) {
  const { calls } = useHouse();
  const element = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const video = element.current;
    if (!video) return undefined;
    video.srcObject = stream;
    const stop = observe?.(video);
    // A play that a new stream interrupts rejects; the next one plays.
    video.play().catch(() => undefined);
    return () => {
      stop?.();
      video.srcObject = null;
    };
  }, [stream, observe]);
  const { person, source } = track ?? {};
  useEffect(() => {
    const video = element.current;
    return video && person && source ? calls.showTile(video, { person, source }) : undefined;
  }, [calls, person, source]);
  return (
    <video
      ref={element} className={`hc-video${mirrored ? ' is-mirrored' : ''}`} style={{ objectFit: fit }}
      data-testid={testId} aria-label={label} autoPlay playsInline muted
    />
  );
}

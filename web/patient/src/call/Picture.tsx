import type { TrackSource } from '@housecall/sdk';
import { useEffect, useRef } from 'react';

import { housecall } from '../app/client';

interface Props {
  stream: MediaStream;
  mirrored?: boolean;
  dimmed?: boolean;
  contain?: boolean;
  testId?: string;
  /** Whose track it is: its size on the screen decides what the relay sends. */
  track?: { person: string; source: TrackSource } | undefined;
  onElement?: ((element: HTMLVideoElement) => (() => void) | undefined) | undefined;
}

/** A moving picture without its sound; the SDK plays the sound. */
export function Picture({ stream, mirrored = false, dimmed = false, contain = false, testId, track, onElement }: Props) {
  const element = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const video = element.current;
    if (!video) return undefined;
    video.srcObject = stream;
    // Interrupted by the next stream or the page's end.
    video.play().catch(() => undefined);
    const stop = onElement?.(video);
    return () => {
      stop?.();
      video.srcObject = null;
    };
  }, [stream, onElement]);
  const { person, source } = track ?? {};
  useEffect(() => {
    const video = element.current;
    return video && person && source ? housecall.calls.showTile(video, { person, source }) : undefined;
  }, [person, source]);
  const name = ['picture', mirrored && 'is-mirrored', dimmed && 'is-dimmed', contain && 'is-whole'].filter(Boolean).join(' ');
  return <video ref={element} className={name} autoPlay playsInline muted data-testid={testId} />;
}

import { useEffect, useRef } from 'react';

interface Props {
  stream: MediaStream;
  mirrored?: boolean;
  dimmed?: boolean;
  contain?: boolean;
  testId?: string;
  onElement?: (element: HTMLVideoElement) => (() => void) | undefined;
}

/** A moving picture without its sound; the SDK plays the sound. */
export function Picture({ stream, mirrored = false, dimmed = false, contain = false, testId, onElement }: Props) {
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
  const name = ['picture', mirrored && 'is-mirrored', dimmed && 'is-dimmed', contain && 'is-whole'].filter(Boolean).join(' ');
  return <video ref={element} className={name} autoPlay playsInline muted data-testid={testId} />;
}

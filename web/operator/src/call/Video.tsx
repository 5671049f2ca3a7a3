import { useEffect, useRef } from 'react';

type Props = {
  stream: MediaStream;
  label: string;
  mirrored?: boolean;
  fit?: 'cover' | 'contain';
  testId?: string;
  /** Told the element, for as long as it shows the stream. */
  observe?: (element: HTMLVideoElement) => () => void;
};

/** A picture without sound: the SDK plays the sound. */
export function Video({ stream, label, mirrored = false, fit = 'cover', testId, observe }: Props) {
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
  return (
    <video
      ref={element} className={`hc-video${mirrored ? ' is-mirrored' : ''}`} style={{ objectFit: fit }}
      data-testid={testId} aria-label={label} autoPlay playsInline muted
    />
  );
}

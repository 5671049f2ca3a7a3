import { useEffect, useState } from 'react';

/** Boxes in the final shape, only when loading takes longer than a blink. */
export function Skeleton({ heights }: { heights: number[] }) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 200);
    return () => clearTimeout(timer);
  }, []);
  if (!late) return null;
  return (
    <div className="skeleton" aria-hidden="true">
      {heights.map((height, index) => (
        <span key={index} style={{ height }} />
      ))}
    </div>
  );
}

const WIDEST_PX = 320;
const TALLEST_PX = 340;
const LEAST_PX = 120;

/** The box of a picture in the thread: known before its bytes, so that nothing jumps. */
export function fittedSize(
  width: number | null,
  height: number | null,
): { width: number; height: number } {
  if (!width || !height) return { width: 240, height: 180 };
  const scale = Math.min(1, WIDEST_PX / width, TALLEST_PX / height);
  return {
    width: Math.max(LEAST_PX, Math.round(width * scale)),
    height: Math.max(Math.round(LEAST_PX / 2), Math.round(height * scale)),
  };
}

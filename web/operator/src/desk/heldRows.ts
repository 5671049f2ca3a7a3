/**
 * Keeps a list still while somebody points at it. Fresh rows replace what is
 * shown at once, except while the list is held: then every shown row keeps its
 * place (with its fresh content), those that left stay as `gone`, and newcomers
 * wait outside, counted.
 */
export type HeldRow<T> = { row: T; gone: boolean };

export type HeldRows<T> = { rows: HeldRow<T>[]; arrived: number };

export function holdRows<T extends { id: string }>(
  shown: readonly HeldRow<T>[],
  fresh: readonly T[],
  held: boolean,
): HeldRows<T> {
  if (!held || shown.length === 0) {
    return { rows: fresh.map((row) => ({ row, gone: false })), arrived: 0 };
  }
  const byId = new Map(fresh.map((row) => [row.id, row]));
  const rows = shown.map(({ row }) => {
    const now = byId.get(row.id);
    return now ? { row: now, gone: false } : { row, gone: true };
  });
  const known = new Set(shown.map(({ row }) => row.id));
  return { rows, arrived: fresh.filter((row) => !known.has(row.id)).length };
}

/**
 * Which rows of a list are news. The first look is never news: a page that was
 * just opened must not announce what was waiting anyway.
 */
export class Arrivals {
  #seen: Set<string> | undefined;

  /** Rows that were not there at any earlier look. */
  look<T extends { id: string }>(rows: readonly T[]): T[] {
    const first = this.#seen === undefined;
    const seen = (this.#seen ??= new Set());
    const fresh = rows.filter((row) => !seen.has(row.id));
    for (const row of rows) seen.add(row.id);
    return first ? [] : fresh;
  }
}

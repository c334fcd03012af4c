/** What `performance.now()` is behind the clock of the database. Until that is known, the clock of this machine counts. */
let offset = performance.timeOrigin;

/**
 * The time by the clock of the database, in whole milliseconds since 1970. Whatever is compared with times of the database, or with
 * those of other instances, is told by it: this machine's own clock may be wrong, and may jump.
 */
export const now = (): number => Math.floor(performance.now() + offset);

/** Tells the time of the database. @param at when it was so, on the clock of `performance.now()` */
export function setClock(databaseMs: number, at = performance.now()): void {
  offset = databaseMs - at;
}

/** A time in milliseconds since 1970 as the API writes it; null stays null. */
export const instantOrNull = (ms: number | null): string | null =>
  ms === null ? null : new Date(ms).toISOString();

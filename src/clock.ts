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

/** The second that was written last, and how it begins: many times are of the same one, and a Date takes long to write one. */
let second = Number.NaN;
let secondText = '';

/** A time in milliseconds since 1970, or now, as the API writes it. @throws RangeError if no Date can hold it */
export function instant(ms = now()): string {
  const whole = Math.trunc(ms);
  const seconds = Math.floor(whole / 1000);
  if (seconds !== second) {
    secondText = new Date(seconds * 1000).toISOString().slice(0, -'000Z'.length);
    second = seconds;
  }
  return `${secondText}${String(whole - seconds * 1000).padStart(3, '0')}Z`;
}

/** The same; null stays null. */
export const instantOrNull = (ms: number | null): string | null => (ms === null ? null : instant(ms));

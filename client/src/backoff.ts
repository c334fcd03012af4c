const FIRST_MS = 1_000;
const LAST_MS = 30_000;

/**
 * How long to wait after so many failures in a row, in milliseconds. Full jitter: anything from nothing to a limit that
 * doubles, so that those who failed together do not come back together.
 */
export const backoff = (failures: number): number =>
  Math.random() * Math.min(LAST_MS, FIRST_MS * 2 ** failures);

const FIRST_MS = 1_000;
const LAST_MS = 30_000;

/**
 * Time to wait after a number of consecutive failures, in milliseconds. Full jitter: between zero and a limit that doubles, so
 * that clients that failed together do not retry together.
 */
export const backoff = (failures: number): number =>
  Math.random() * Math.min(LAST_MS, FIRST_MS * 2 ** failures);

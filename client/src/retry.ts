const FIRST_MS = 1_000;
const LAST_MS = 30_000;

/**
 * How long to wait after so many failures in a row, in milliseconds. Full jitter: anything from nothing to a limit that
 * doubles, so that those who failed together do not come back together.
 */
export const backoff = (failures: number): number =>
  Math.random() * Math.min(LAST_MS, FIRST_MS * 2 ** failures);

/** Resolves after so many milliseconds, or as soon as the browser is online again; rejects when `signal` aborts. */
export function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      globalThis.removeEventListener?.('online', end);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    globalThis.addEventListener?.('online', end);
    if (signal.aborted) end();
  });
}

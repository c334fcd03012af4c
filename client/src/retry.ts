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
  const { addEventListener, removeEventListener } = globalThis;
  let wake = () => {};
  const online = new Promise<void>((resolve) => {
    wake = resolve;
  });
  addEventListener?.('online', wake);
  const timer = setTimeout(wake, ms);
  return orAbort(online, signal).finally(() => {
    clearTimeout(timer);
    removeEventListener?.('online', wake);
  });
}

/** What `work` comes to, unless `signal` aborts first: then its reason is thrown, and `work` goes on without a listener. */
export function orAbort<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal?.reason);
  });
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort);
  return Promise.race([work, aborted]).finally(() => signal?.removeEventListener('abort', abort));
}

/** The same for a time in milliseconds, after which `error` is thrown. */
export function orTimeout<T>(work: Promise<T>, ms: number, error: Error): Promise<T> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(error), ms);
  return orAbort(work, limit.signal).finally(() => clearTimeout(timer));
}

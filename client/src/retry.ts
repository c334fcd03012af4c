/** Resolves after `ms` milliseconds, optionally as soon as the browser is online again; rejects when `signal` aborts. */
export function wait(ms: number, signal?: AbortSignal, sooner?: 'or online'): Promise<void> {
  const { addEventListener, removeEventListener } = globalThis;
  let wake = () => {};
  const over = new Promise<void>((resolve) => {
    wake = resolve;
  });
  if (sooner) addEventListener?.('online', wake);
  const timer = setTimeout(wake, ms);
  return orAbort(over, signal).finally(() => {
    clearTimeout(timer);
    removeEventListener?.('online', wake);
  });
}

/** Resolves with `work`, unless `signal` aborts first: then it rejects with the signal's reason, and the result of `work` is ignored. */
export function orAbort<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal?.reason);
  });
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort);
  return Promise.race([work, aborted]).finally(() => signal?.removeEventListener('abort', abort));
}

/** Resolves with `work`, or rejects with `error` after `ms` milliseconds. */
export function orTimeout<T>(work: Promise<T>, ms: number, error: Error): Promise<T> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(error), ms);
  return orAbort(work, limit.signal).finally(() => clearTimeout(timer));
}

import { setTimeout as delay } from 'node:timers/promises';

const RETRY_MS = 1_000;

/** Does something again and again until it succeeds, or until `signal` aborts. */
export async function retry(
  work: () => Promise<void>,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) return;
      onError(error);
      await delay(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }
}

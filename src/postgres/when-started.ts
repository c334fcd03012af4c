import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../error-code.js';

const PATIENCE_MS = 30_000;
const RETRY_MS = 500;
/** PostgreSQL is starting or stopping, or nothing listens at its port yet. A name that is not known is rather a mistake. */
const MAY_BE_STARTING = /^(57P0[123]|ECONNREFUSED|ECONNRESET|EPIPE)$/;

const mayBeStarting = (error: unknown): boolean => {
  if (error instanceof AggregateError) return error.errors.some(mayBeStarting);
  if (MAY_BE_STARTING.test(errorCode(error) ?? '')) return true;
  // node-postgres gives it no code.
  return error instanceof Error && error.message === 'Connection terminated unexpectedly';
};

/**
 * What `work` resolves to: tried again, for half a minute, as long as PostgreSQL may still be starting.
 * @param onWait is told why, before the first wait
 * @param signal ends the wait, with the error of the last try
 */
export async function whenStarted<T>(
  work: () => Promise<T>,
  onWait: (reason: string) => void,
  { signal, patienceMs = PATIENCE_MS }: { signal?: AbortSignal; patienceMs?: number } = {},
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!mayBeStarting(error) || signal?.aborted === true || performance.now() > deadline) throw error;
      if (tries === 1) onWait(errorCode(error) ?? String(error));
      await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }
}

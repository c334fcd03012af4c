import createFetch from 'openapi-fetch';
import type { paths } from './api.js';
import { problemOf, ScoreboardError } from './problem.js';

/** Calls of the service, typed by its OpenAPI document. */
export const httpOf = (baseUrl: string) => createFetch<paths>({ baseUrl });
export type Http = ReturnType<typeof httpOf>;

const REQUEST_TIMEOUT_MS = 15_000;

/**
 * The body of the answer to one request, which is given up after 15 s.
 * @throws ScoreboardError, or the reason of `signal`
 */
export async function ask<T>(
  send: (signal: AbortSignal) => Promise<{ data?: T; error?: unknown; response: Response }>,
  signal?: AbortSignal,
): Promise<T> {
  signal?.throwIfAborted();
  const attempt = new AbortController();
  const abort = () => attempt.abort();
  const timer = setTimeout(abort, REQUEST_TIMEOUT_MS);
  signal?.addEventListener('abort', abort);
  try {
    const { data, error, response } = await send(attempt.signal);
    if (data !== undefined) return data;
    throw problemOf(response, error);
  } catch (error) {
    if (error instanceof ScoreboardError) throw error;
    signal?.throwIfAborted();
    throw new ScoreboardError('unreachable', 'The service did not answer.', { cause: error });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

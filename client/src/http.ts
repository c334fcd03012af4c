import createFetch from 'openapi-fetch';
import type { paths } from './api.js';
import { problemOf, ScoreboardError } from './problem.js';
import { orAbort, orTimeout } from './retry.js';

/** Calls of the service, typed by its OpenAPI document. */
export const httpOf = (baseUrl: string) => createFetch<paths>({ baseUrl });
export type Http = ReturnType<typeof httpOf>;

/** What a call of `Http` comes to. */
export type Answer<T> = Promise<{ data?: T; error?: unknown; response: Response }>;

const REQUEST_TIMEOUT_MS = 15_000;

/**
 * The body of the answer to one request, which is given up after 15 s.
 * @throws ScoreboardError, or the reason of `signal`
 */
export async function ask<T>(send: (signal: AbortSignal) => Answer<T>, signal?: AbortSignal): Promise<T> {
  signal?.throwIfAborted();
  const request = new AbortController();
  const lost = new ScoreboardError('unreachable', 'No answer.');
  try {
    const answer = orTimeout(send(request.signal), REQUEST_TIMEOUT_MS, lost);
    const { data, error, response } = await orAbort(answer, signal);
    if (data !== undefined) return data;
    throw problemOf(response, error);
  } catch (error) {
    if (error instanceof ScoreboardError) throw error;
    signal?.throwIfAborted();
    lost.cause = error;
    throw lost;
  } finally {
    request.abort();
  }
}

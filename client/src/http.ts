import type { Client } from 'openapi-fetch';
import type { paths } from './api.js';
import { fetchFrom } from './fetch.js';
import { problemOf, ScoreboardError } from './problem.js';
import { orAbort, orTimeout } from './retry.js';

/** Calls the service, typed by its OpenAPI document. */
export type Http = Pick<Client<paths>, 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'>;

export interface HttpOptions {
  /** Sent with every request. */
  readonly accessToken?: string | undefined;
  /** Sends the requests instead of the global fetch(). */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

interface RequestOptions {
  readonly params?: {
    readonly path?: Readonly<Record<string, string | number>>;
    readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
    readonly header?: Readonly<Record<string, string | undefined>>;
  };
  readonly body?: unknown;
  readonly signal?: AbortSignal | null;
}

/**
 * The part of openapi-fetch that this service needs; the whole package would double the size of the SDK.
 * A request without a response rejects; use ask() to get bodies, and every error as a ScoreboardError.
 * @param baseUrl of the service, like `https://scores.example.com`
 */
export function httpOf(baseUrl: string, options: HttpOptions = {}): Http {
  const send =
    (method: string) =>
    async (template: string, { params = {}, body, signal }: RequestOptions = {}) => {
      const { accessToken, fetch } = options;
      const { path = {}, query = {}, header = {} } = params;
      const filled = template.replace(/{(\w+)}/g, (_, name) => encodeURIComponent(path[name] ?? ''));
      const given = Object.entries(query).flatMap(([name, value]) =>
        value === undefined ? [] : `${name}=${encodeURIComponent(value)}`,
      );
      const search = given.length > 0 ? `?${given.join('&')}` : '';
      const init = {
        method,
        headers: {
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(accessToken && { authorization: `Bearer ${accessToken}` }),
          ...Object.fromEntries(Object.entries(header).filter(([, value]) => value !== undefined)),
        },
        body: JSON.stringify(body),
        signal: signal ?? null,
      };
      const response = await fetchFrom(origin(baseUrl), filled + search, init, fetch);
      const text = await response.text();
      if (response.ok) return { data: JSON.parse(text || 'null'), response };
      const isJson = response.headers.get('content-type')?.includes('json');
      return { error: JSON.parse(isJson ? text : 'null'), response };
    };
  return {
    GET: send('GET'),
    POST: send('POST'),
    PUT: send('PUT'),
    PATCH: send('PATCH'),
    DELETE: send('DELETE'),
  };
}

/** The base of URLs, without a trailing slash. */
export const origin = (baseUrl: string): string => baseUrl.replace(/\/$/, '');

/** The result of a call of `Http`; `data` is null if the response has no body. */
export type Answer<T> = Promise<{ data?: T | undefined; error?: unknown; response: Response }>;

const REQUEST_TIMEOUT_MS = 15_000;

/**
 * Returns the body of the response to one request, which is aborted after 15 s.
 * @throws ScoreboardError, or the reason of `signal`
 */
export async function ask<T>(send: (signal: AbortSignal) => Answer<T>, signal?: AbortSignal): Promise<T> {
  signal?.throwIfAborted();
  const request = new AbortController();
  const lost = new ScoreboardError('unreachable', 'No response.');
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

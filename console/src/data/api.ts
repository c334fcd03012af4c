import { type Answer, ask, type Http, httpOf, ScoreboardError } from '@scoreboard/client';
import { connection } from './connection.js';
import { session } from './session.js';

/** The API, called as the person who has logged in. */
const http: Http = httpOf(location.origin, {
  fetch: (url, init) =>
    fetch(url, {
      ...init,
      credentials: 'same-origin',
      cache: 'no-store',
      headers: { ...Object(init.headers), ...session.headers },
    }),
});

/**
 * The body of the response to one call.
 * @throws ScoreboardError, after the page has been told that the session or the connection is gone
 */
export async function call<T>(
  send: (http: Http, signal: AbortSignal) => Answer<T>,
  signal?: AbortSignal,
): Promise<T> {
  try {
    const data = await ask((inner) => send(http, inner), signal);
    connection.set(false);
    return data;
  } catch (error) {
    if (error instanceof ScoreboardError) {
      connection.set(error.code === 'unreachable');
      if (error.code === 'unauthenticated') session.end();
    }
    throw error;
  }
}

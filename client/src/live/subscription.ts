import { platformEventSource } from '#event-source';
import type { components } from '../api.js';
import { backoff } from '../backoff.js';
import { origin } from '../http.js';
import { problemOf, type ScoreboardError } from '../problem.js';

/**
 * - `connecting`: for the first time
 * - `open`: `board` is current
 * - `reconnecting`: the connection was lost; `board` is the last one received, and the client keeps retrying
 * - `paused`: the page is hidden; the stream reconnects when it is visible again
 * - `closed`: permanently, by the caller or because of `error`
 */
export type LiveState = 'connecting' | 'open' | 'reconnecting' | 'paused' | 'closed';

/** The top of a leaderboard at one moment. */
export interface Board {
  readonly leaderboard: string;
  readonly season: number;
  readonly version: number;
  /** Number of entries on the whole board. */
  readonly total: number;
  readonly items: readonly components['schemas']['Entry'][];
}

/** The entry of one user; rank and score are null while there is none. */
export interface Standing {
  readonly userId: string;
  readonly rank: number | null;
  readonly score: number | null;
  readonly total: number;
}

/** The state of a subscription. A listener gets a new one at each change; unchanged parts are the same objects. */
export interface LiveView {
  readonly state: LiveState;
  /** Null until the first event. */
  readonly board: Board | null;
  /** The entry of `user` in the options; null until the first event. */
  readonly standing: Standing | null;
  /** The reason for `closed`; null if the caller has closed it. */
  readonly error: ScoreboardError | null;
}

export interface LiveOptions {
  /** Number of entries, 1 to 100; default 10. */
  readonly limit?: number;
  /** A user whose entry is sent too, as `standing`. */
  readonly user?: string;
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
  /** False keeps the stream open while the page is hidden. */
  readonly pauseWhenHidden?: boolean;
  /** Needed only on platforms other than browsers and Node. */
  readonly eventSource?: EventSourceClass | undefined;
}

/** The part of the standard EventSource that is used. */
export type EventSourceClass = new (
  url: string,
) => {
  readonly readyState: number;
  addEventListener(type: string, listener: (event: Event & { readonly data?: string }) => void): void;
  close(): void;
};

const CLOSED = 2;
/** A stream without an event for this long after the request is given up. */
const SNAPSHOT_TIMEOUT_MS = 20_000;

/**
 * Calls `listener` with the state of a leaderboard, now and at each change, until the returned function is called.
 *
 * The first reconnect is left to the EventSource, because only it knows the service's `retry:`. If that fails, or the response
 * was an HTTP error, which closes an EventSource permanently, a new one is created after a back-off with full jitter of up to
 * 30 s, and not before `Retry-After`. A permanent error, like a leaderboard that does not exist, closes the subscription.
 */
export function subscribe(
  baseUrl: string,
  leaderboard: string,
  listener: (view: LiveView) => void,
  { limit = 10, user, signal, pauseWhenHidden = true, eventSource }: LiveOptions = {},
): () => void {
  const Source: EventSourceClass = eventSource ?? platformEventSource();
  const path = `/v1/leaderboards/${encodeURIComponent(leaderboard)}/stream?limit=${limit}`;
  const url = origin(baseUrl) + path + (user ? `&user=${encodeURIComponent(user)}` : '');
  const page = pauseWhenHidden ? globalThis.document : undefined;
  let view: LiveView = { state: 'connecting', board: null, standing: null, error: null };
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** Ends the current stream, wait or request. */
  let attempt = new AbortController();

  const update = (part: Partial<LiveView>) => {
    view = { ...view, ...part };
    listener(view);
  };
  const restart = () => {
    attempt.abort();
    clearTimeout(timer);
    attempt = new AbortController();
    return attempt.signal;
  };

  const connect = () => {
    const over = restart();
    const source = new Source(url);
    over.addEventListener('abort', () => source.close());
    timer = setTimeout(failed, SNAPSHOT_TIMEOUT_MS);
    const show = ({ data = '' }: { readonly data?: string }) => {
      if (over.aborted) return;
      clearTimeout(timer);
      failures = 0;
      update({ state: 'open', board: JSON.parse(data) });
    };
    source.addEventListener('snapshot', show);
    source.addEventListener('leaderboard', show);
    source.addEventListener('rank', ({ data = '' }) => {
      if (!over.aborted) update({ standing: JSON.parse(data) });
    });
    source.addEventListener('error', () => {
      if (over.aborted) return;
      if (source.readyState === CLOSED || failures > 0) return failed();
      failures++;
      clearTimeout(timer);
      timer = setTimeout(failed, SNAPSHOT_TIMEOUT_MS);
      update({ state: 'reconnecting' });
    });
  };

  const failed = () => {
    later(0);
    if (view.state !== 'reconnecting') update({ state: 'reconnecting' });
  };
  const later = (ms: number) => {
    const over = restart();
    timer = setTimeout(() => retry(over), ms + backoff(failures++));
  };
  /** An EventSource reports no reason for a failure, so a request by fetch comes first. */
  const retry = async (over: AbortSignal) => {
    timer = setTimeout(failed, SNAPSHOT_TIMEOUT_MS);
    try {
      const response = await fetch(url, { signal: over });
      const error = response.ok ? null : problemOf(response, await response.json().catch(() => null));
      if (over.aborted) return;
      if (error === null) connect();
      else if (error.mayPass) later((error.retryAfter ?? 0) * 1_000);
      else close(error);
    } catch {
      if (!over.aborted) later(0);
    }
  };

  const onVisibility = () => {
    if (page?.visibilityState === 'hidden') {
      restart();
      update({ state: 'paused' });
    } else if (view.state === 'paused') {
      failures = 0;
      connect();
      update({ state: view.board ? 'reconnecting' : 'connecting' });
    }
  };
  const reconnectNow = () => {
    if (view.state === 'reconnecting') connect();
  };
  const close = (error: ScoreboardError | null) => {
    if (view.state === 'closed') return;
    restart();
    page?.removeEventListener('visibilitychange', onVisibility);
    globalThis.removeEventListener?.('online', reconnectNow);
    signal?.removeEventListener('abort', stop);
    update({ state: 'closed', error });
  };
  const stop = () => close(null);

  page?.addEventListener('visibilitychange', onVisibility);
  globalThis.addEventListener?.('online', reconnectNow);
  signal?.addEventListener('abort', stop);
  if (page?.visibilityState === 'hidden') onVisibility();
  else connect();
  if (signal?.aborted) stop();
  else if (view.state === 'connecting') listener(view);
  return stop;
}

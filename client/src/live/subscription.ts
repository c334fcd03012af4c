import { platformEventSource } from '#event-source';
import type { components } from '../api.js';
import { backoff } from '../backoff.js';
import { origin } from '../http.js';
import { problemOf, type ScoreboardError } from '../problem.js';

/**
 * - `connecting`: for the first time
 * - `open`: `board` is what the service shows now
 * - `reconnecting`: the connection was lost; `board` is the last that was seen, and another try is under way or will be
 * - `paused`: the page is hidden; it will be caught up when it is looked at again
 * - `closed`: for good, by the caller, or because of `error`
 */
export type LiveState = 'connecting' | 'open' | 'reconnecting' | 'paused' | 'closed';

/** The top of a leaderboard at one moment. */
export interface Board {
  readonly leaderboard: string;
  readonly season: number;
  readonly version: number;
  /** Entries on the whole board. */
  readonly total: number;
  readonly items: readonly components['schemas']['Entry'][];
}

/** Where one user stands; rank and score are null while there is no entry. */
export interface Standing {
  readonly userId: string;
  readonly rank: number | null;
  readonly score: number | null;
  readonly total: number;
}

/** All there is to show. A listener gets a new one at each change; parts that did not change are the same objects. */
export interface LiveView {
  readonly state: LiveState;
  /** Null until the first has come. */
  readonly board: Board | null;
  /** Of the `user` of the options; null until it has come. */
  readonly standing: Standing | null;
  /** Why it is closed, unless the caller has closed it. */
  readonly error: ScoreboardError | null;
}

export interface LiveOptions {
  /** Entries from the top, 1 to 100; 10 if not given. */
  readonly limit?: number;
  /** A user whose standing is told too. */
  readonly user?: string;
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
  /** False keeps the stream open while the page is hidden. */
  readonly pauseWhenHidden?: boolean;
  /** For platforms that have no EventSource; browsers and Node need none. */
  readonly eventSource?: EventSourceClass | undefined;
}

/** As much of the standard's EventSource as is needed. */
export type EventSourceClass = new (
  url: string,
) => {
  readonly readyState: number;
  addEventListener(type: string, listener: (event: Event & { readonly data?: string }) => void): void;
  close(): void;
};

const CLOSED = 2;
/** A stream that shows nothing for so long after it was asked for is given up. */
const SNAPSHOT_TIMEOUT_MS = 20_000;

/**
 * Tells `listener` what a leaderboard looks like, now and at each change, until the returned function is called.
 *
 * The first reconnect after a break is left to the EventSource: it alone knows the service's `retry:`, and it sends
 * Last-Event-ID. When that fails, or the answer was an HTTP error, which closes an EventSource for good, another one is
 * made after a wait with full jitter that grows to 30 s, and not before `Retry-After`. What cannot become better, like a
 * leaderboard that does not exist, closes the subscription.
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
  /** Ends whatever is under way: a stream, a wait or a question. */
  let attempt = new AbortController();

  const tell = (part: Partial<LiveView>) => {
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
      tell({ state: 'open', board: JSON.parse(data) });
    };
    source.addEventListener('snapshot', show);
    source.addEventListener('leaderboard', show);
    source.addEventListener('rank', ({ data = '' }) => {
      if (!over.aborted) tell({ standing: JSON.parse(data) });
    });
    source.addEventListener('error', () => {
      if (over.aborted) return;
      if (source.readyState === CLOSED || failures > 0) return failed();
      failures++;
      clearTimeout(timer);
      timer = setTimeout(failed, SNAPSHOT_TIMEOUT_MS);
      tell({ state: 'reconnecting' });
    });
  };

  const failed = () => {
    later(0);
    if (view.state !== 'reconnecting') tell({ state: 'reconnecting' });
  };
  const later = (ms: number) => {
    const over = restart();
    timer = setTimeout(() => again(over), ms + backoff(failures++));
  };
  /** An EventSource does not say why it failed, so this asks first. */
  const again = async (over: AbortSignal) => {
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

  const look = () => {
    if (page?.visibilityState === 'hidden') {
      restart();
      tell({ state: 'paused' });
    } else if (view.state === 'paused') {
      failures = 0;
      connect();
      tell({ state: view.board ? 'reconnecting' : 'connecting' });
    }
  };
  const hurry = () => {
    if (view.state === 'reconnecting') connect();
  };
  const close = (error: ScoreboardError | null) => {
    if (view.state === 'closed') return;
    restart();
    page?.removeEventListener('visibilitychange', look);
    globalThis.removeEventListener?.('online', hurry);
    signal?.removeEventListener('abort', stop);
    tell({ state: 'closed', error });
  };
  const stop = () => close(null);

  page?.addEventListener('visibilitychange', look);
  globalThis.addEventListener?.('online', hurry);
  signal?.addEventListener('abort', stop);
  if (page?.visibilityState === 'hidden') look();
  else connect();
  if (signal?.aborted) stop();
  else if (view.state === 'connecting') listener(view);
  return stop;
}

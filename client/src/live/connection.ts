import { platformEventSource } from '#event-source';
import { backoff } from '../backoff.js';
import { fetchFrom } from '../fetch.js';
import { problemOf, ScoreboardError } from '../problem.js';

/**
 * - `connecting`: for the first time
 * - `open`: what was received is current
 * - `reconnecting`: the connection was lost; the client keeps retrying
 * - `paused`: the page is hidden; the stream reconnects when it is visible again
 * - `closed`: permanently, by the caller or because of an error
 */
export type LiveState = 'connecting' | 'open' | 'reconnecting' | 'paused' | 'closed';

/** An event of the stream, with its data as JSON. */
export interface StreamEvent {
  readonly type: (typeof EVENTS)[number];
  readonly data: string;
}

export interface ConnectionOptions {
  /** Ends the connection. */
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

const EVENTS = ['snapshot', 'leaderboard', 'rank', 'season', 'final', 'problem'] as const;
const CLOSED = 2;
/** A stream without an event for this long after the request is given up. */
const SNAPSHOT_TIMEOUT_MS = 20_000;

/**
 * Calls `listener` with the state of a stream, now and at each change, and with each of its events, until the returned function is
 * called.
 *
 * The first reconnect is left to the EventSource, because only it knows the service's `retry:`. If that fails, or the response
 * was an HTTP error, which closes an EventSource permanently, a new one is created after a back-off with full jitter of up to
 * 30 s, and not before `Retry-After`. A permanent error, like a leaderboard that does not exist, closes the connection. While it
 * reconnects, the error is that of the last attempt.
 */
export function connect(
  base: string,
  path: string,
  listener: (state: LiveState, event: StreamEvent | null, error: ScoreboardError | null) => void,
  { signal, pauseWhenHidden = true, eventSource }: ConnectionOptions = {},
): () => void {
  const url = base + path;
  const Source: EventSourceClass = eventSource ?? platformEventSource();
  const page = pauseWhenHidden ? globalThis.document : undefined;
  let state: LiveState = 'connecting';
  let hasReceived = false;
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** Ends the current stream, wait or request. */
  let attempt = new AbortController();

  const be = (next: LiveState, error: ScoreboardError | null = null) => {
    state = next;
    listener(state, null, error);
  };
  const restart = () => {
    attempt.abort();
    clearTimeout(timer);
    attempt = new AbortController();
    return attempt.signal;
  };

  const open = () => {
    const over = restart();
    const source = new Source(url);
    over.addEventListener('abort', () => source.close());
    timer = setTimeout(failed, SNAPSHOT_TIMEOUT_MS);
    for (const type of EVENTS)
      source.addEventListener(type, ({ data = '' }) => {
        if (over.aborted) return;
        clearTimeout(timer);
        failures = 0;
        hasReceived = true;
        state = 'open';
        listener(state, { type, data }, null);
      });
    source.addEventListener('error', () => {
      if (over.aborted) return;
      if (source.readyState === CLOSED || failures > 0) return failed();
      failures++;
      clearTimeout(timer);
      timer = setTimeout(failed, SNAPSHOT_TIMEOUT_MS);
      be('reconnecting');
    });
  };

  const failed = () => {
    later(0);
    if (state !== 'reconnecting') be('reconnecting');
  };
  const later = (ms: number) => {
    const over = restart();
    timer = setTimeout(() => retry(over), ms + backoff(failures++));
  };
  const retryLater = (error: ScoreboardError | null) => {
    later((error?.retryAfter ?? 0) * 1_000);
    be('reconnecting', error);
  };
  /** An EventSource reports no reason for a failure, so a request by fetch comes first. */
  const retry = async (over: AbortSignal) => {
    timer = setTimeout(failed, SNAPSHOT_TIMEOUT_MS);
    try {
      const response = await fetchFrom(base, path, { signal: over });
      const error = response.ok ? null : problemOf(response, await response.json().catch(() => null));
      if (over.aborted) return;
      if (error === null) open();
      else if (error.mayPass) retryLater(error);
      else close(error);
    } catch (error) {
      if (!over.aborted) retryLater(error instanceof ScoreboardError ? error : null);
    }
  };

  const onVisibility = () => {
    if (page?.visibilityState === 'hidden') {
      restart();
      be('paused');
    } else if (state === 'paused') {
      failures = 0;
      open();
      be(hasReceived ? 'reconnecting' : 'connecting');
    }
  };
  const reconnectNow = () => {
    if (state === 'reconnecting') open();
  };
  const close = (error: ScoreboardError | null) => {
    if (state === 'closed') return;
    restart();
    page?.removeEventListener('visibilitychange', onVisibility);
    globalThis.removeEventListener?.('online', reconnectNow);
    signal?.removeEventListener('abort', stop);
    be('closed', error);
  };
  const stop = () => close(null);

  page?.addEventListener('visibilitychange', onVisibility);
  globalThis.addEventListener?.('online', reconnectNow);
  signal?.addEventListener('abort', stop);
  if (page?.visibilityState === 'hidden') onVisibility();
  else open();
  if (signal?.aborted) stop();
  else if (state === 'connecting') be('connecting');
  return stop;
}

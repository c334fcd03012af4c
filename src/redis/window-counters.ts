import { boundedCache } from '../bounded-cache.js';

export interface Count {
  readonly current: number;
  /** Milliseconds until the count starts again. */
  readonly ttl: number;
}

/** As many keys as are remembered. */
const MAX_KEYS = 50_000;

/** Counts of what somebody did in a window of time, in this process. */
export class WindowCounters {
  /** `until` on the clock of `performance.now()`, which nobody sets. */
  readonly #counts = boundedCache<string, { current: number; until: number }>(MAX_KEYS);

  increment(key: string, windowMs: number): Count {
    const now = performance.now();
    let counter = this.#counts.get(key);
    if (counter === undefined || counter.until <= now) {
      counter = { current: 0, until: now + windowMs };
      this.#counts.set(key, counter);
    }
    counter.current++;
    // A sum of fractions may be a little more than the window, which would be a second more when it is rounded up.
    return { current: counter.current, ttl: Math.min(counter.until - now, windowMs) };
  }
}

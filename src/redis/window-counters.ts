import { LRUCache } from 'lru-cache';

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
  readonly #counts = new LRUCache<string, { current: number; until: number }>({ max: MAX_KEYS });

  increment(key: string, windowMs: number): Count {
    const now = performance.now();
    const known = this.#counts.get(key);
    const counter = known !== undefined && known.until > now ? known : { current: 0, until: now + windowMs };
    counter.current++;
    this.#counts.set(key, counter);
    // A sum of fractions may be a little more than the window, which would be a second more when it is rounded up.
    return { current: counter.current, ttl: Math.min(counter.until - now, windowMs) };
  }
}

import type { FastifyRateLimitStore, FastifyRateLimitStoreCtor } from '@fastify/rate-limit';
import type { RateCounters } from '../redis/rate-counters.js';

/** Our counters in the form that @fastify/rate-limit wants. Limits that must hold fall back on this instance's own count. */
export function rateLimitStore(counters: RateCounters): FastifyRateLimitStoreCtor {
  return class Store implements FastifyRateLimitStore {
    readonly #mayFail: boolean;

    /** @param options those of the plugin, or of one limiter merged into them */
    constructor(options: object) {
      this.#mayFail = 'skipOnError' in options && options.skipOnError === true;
    }

    incr(key: string, callback: Parameters<FastifyRateLimitStore['incr']>[1], windowMs: number): void {
      const count = counters.increment(key, windowMs);
      // Counted in this process: there is nothing to wait for.
      if (!(count instanceof Promise)) {
        callback(null, count);
        return;
      }
      count
        .catch((error: unknown) => {
          if (this.#mayFail) throw error;
          return counters.incrementOwn(key, windowMs);
        })
        .then((count) => callback(null, count), callback);
    }

    child(options: object): Store {
      return new Store(options);
    }
  };
}

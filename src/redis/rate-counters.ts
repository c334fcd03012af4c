import { LRUCache } from 'lru-cache';
import { CircuitBreaker } from '../circuit-breaker.js';
import type { RedisClient } from './connection.js';
import { defineScripts, type Scripts } from './scripts.js';

/** KEYS counter. ARGV window in ms. Count, and ms until it starts again. */
const COUNT = `
local current = redis.call('INCR', KEYS[1])
if current == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
local ttl = redis.call('PTTL', KEYS[1])
return {current, ttl}
`;

/** How long Redis is left alone after it has failed: a request that waits for it here waits for it again at the board. */
const REST_MS = 1_000;

interface Count {
  readonly current: number;
  /** Milliseconds until the count starts again. */
  readonly ttl: number;
}

/** Counts of what somebody did in a window of time: in Redis, for all instances together, or in this process alone. */
export class RateCounters {
  readonly #redis: RedisClient | null;
  readonly #scripts: Scripts<'count'> | null;
  readonly #breaker = new CircuitBreaker(REST_MS);
  /** `until` on the clock of `performance.now()`, which nobody sets. */
  readonly #local = new LRUCache<string, { current: number; until: number }>({ max: 50_000 });

  constructor(redis: RedisClient | null) {
    this.#redis = redis;
    this.#scripts = this.define({ count: { numberOfKeys: 1, lua: COUNT } });
  }

  /** Scripts that count something else, or null where each process counts for itself. While Redis rests, they throw. */
  define<Name extends string>(scripts: Parameters<typeof defineScripts<Name>>[1]): Scripts<Name> | null {
    return this.#redis && defineScripts(this.#redis, scripts, this.#breaker);
  }

  /** @throws if there is a Redis and it does not answer */
  async increment(key: string, windowMs: number): Promise<Count> {
    if (this.#scripts === null) return this.incrementLocally(key, windowMs);
    const answer = await this.#scripts.count([`scoreboard:rate:{${key}}`], [windowMs]);
    if (!Array.isArray(answer)) throw new Error('Redis has given an answer that no script of ours gives');
    const [current = 0, ttl = windowMs] = answer.map(Number);
    return { current, ttl };
  }

  /** For as many keys as a process can remember. */
  incrementLocally(key: string, windowMs: number): Count {
    const now = performance.now();
    const known = this.#local.get(key);
    const counter = known !== undefined && known.until > now ? known : { current: 0, until: now + windowMs };
    counter.current++;
    this.#local.set(key, counter);
    return { current: counter.current, ttl: counter.until - now };
  }
}

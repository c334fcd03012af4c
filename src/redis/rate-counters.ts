import { CircuitBreaker } from '../circuit-breaker.js';
import type { RedisClient } from './connection.js';
import { defineScripts, type Scripts } from './scripts.js';
import type { Count } from './window-counters.js';

/**
 * KEYS counter. ARGV window in ms. Count, and ms until it starts again. Whatever else is in its place, or would never expire, is
 * replaced: its failures would make Redis rest for all other counts as well.
 */
const COUNT = `
local current = redis.pcall('INCR', KEYS[1])
local ttl = redis.call('PTTL', KEYS[1])
if type(current) == 'number' and ttl >= 0 then return {current, ttl} end
redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])
return {1, tonumber(ARGV[1])}
`;

/** How long Redis is left alone after it has failed: a request that waits for it here waits for it again at the board. */
const REST_MS = 1_000;

/** What counts where there is no Redis, or while it is away. */
interface OwnCounters {
  increment(key: string, windowMs: number): Count | Promise<Count>;
}

/** Counts of what somebody did in a window of time: in Redis, for all instances together, or in this instance alone. */
export class RateCounters {
  readonly #redis: RedisClient | null;
  readonly #scripts: Scripts<'count'> | null;
  readonly #breaker = new CircuitBreaker(REST_MS);
  readonly #own: OwnCounters;

  constructor(redis: RedisClient | null, own: OwnCounters) {
    this.#redis = redis;
    this.#own = own;
    this.#scripts = this.define({ count: { numberOfKeys: 1, lua: COUNT } });
  }

  /** Scripts that count something else, or null where each instance counts for itself. While Redis rests, they throw. */
  define<Name extends string>(scripts: Parameters<typeof defineScripts<Name>>[1]): Scripts<Name> | null {
    return this.#redis && defineScripts(this.#redis, scripts, this.#breaker);
  }

  /** @throws if there is a Redis and it does not answer */
  async increment(key: string, windowMs: number): Promise<Count> {
    if (this.#scripts === null) return this.#own.increment(key, windowMs);
    const answer = await this.#scripts.count([`scoreboard:rate:{${key}}`], [windowMs]);
    if (!Array.isArray(answer)) throw new Error('Redis has given an answer that no script of ours gives');
    const [current = 0, ttl = windowMs] = answer.map(Number);
    return { current, ttl };
  }

  /** Counts in this instance alone. */
  async incrementOwn(key: string, windowMs: number): Promise<Count> {
    return this.#own.increment(key, windowMs);
  }
}

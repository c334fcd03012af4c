import { LRUCache } from 'lru-cache';
import type { RedisClient } from './connection.js';
import { Script } from './script.js';

/** KEYS counter. ARGV window in ms. Count, and ms until it starts anew. */
const count = new Script(`
local current = redis.call('INCR', KEYS[1])
if current == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
local ttl = redis.call('PTTL', KEYS[1])
return {current, ttl}
`);

/** How long Redis is left alone after it has failed: who waited for it here would wait for it again at the board. */
const REST_MS = 1_000;

interface Count {
  readonly current: number;
  /** Milliseconds until the count starts anew. */
  readonly ttl: number;
}

/** Counts of what somebody did in a window of time: in Redis, for all instances together, or in this process alone. */
export class RateCounters {
  readonly #redis: RedisClient | null;
  #restsUntil = 0;
  readonly #local = new LRUCache<string, { current: number; until: number }>({ max: 50_000 });

  constructor(redis: RedisClient | null) {
    this.#redis = redis;
  }

  /** False where each process counts for itself. */
  get shared(): boolean {
    return this.#redis !== null;
  }

  /** @throws if there is a Redis and it does not answer */
  async increment(key: string, windowMs: number): Promise<Count> {
    if (!this.shared) return this.incrementLocally(key, windowMs);
    const answer = await this.run(count, [`scoreboard:rate:{${key}}`], [windowMs]);
    if (!Array.isArray(answer)) throw new Error('Redis has given an answer that no script of ours gives');
    const [current = 0, ttl = windowMs] = answer.map(Number);
    return { current, ttl };
  }

  /** For as many keys as a process can remember. */
  incrementLocally(key: string, windowMs: number): Count {
    const now = Date.now();
    const known = this.#local.get(key);
    const counter = known !== undefined && known.until > now ? known : { current: 0, until: now + windowMs };
    counter.current++;
    this.#local.set(key, counter);
    return { current: counter.current, ttl: counter.until - now };
  }

  /** @throws if there is no Redis, or it does not answer, or did not a moment ago */
  async run(script: Script, keys: readonly string[], args: readonly number[]): Promise<unknown> {
    if (this.#redis === null) throw new Error('There is no Redis');
    if (performance.now() < this.#restsUntil) throw new Error('Redis has failed a moment ago');
    try {
      return await script.run(this.#redis, keys, args);
    } catch (error) {
      this.#restsUntil = performance.now() + REST_MS;
      throw error;
    }
  }
}

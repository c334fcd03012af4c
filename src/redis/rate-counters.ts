import { Cluster } from 'ioredis';
import { CircuitBreaker } from '../circuit-breaker.js';
import { getOrMake } from '../get-or-make.js';
import type { RedisClient } from './connection.js';
import { defineScripts, type Scripts } from './scripts.js';
import type { Count } from './window-counters.js';

/**
 * KEYS counters. ARGV of each by how much it grows, and its window in ms. Of each the count, and ms until it starts again.
 * Whatever else is in the place of one, or would never expire, is replaced: its failures would make Redis rest for all other
 * counts as well.
 */
const COUNT = `
local counts = {}
for i, key in ipairs(KEYS) do
  local by, window = ARGV[2 * i - 1], ARGV[2 * i]
  local current = redis.pcall('INCRBY', key, by)
  local ttl = redis.call('PTTL', key)
  if type(current) ~= 'number' or ttl < 0 then
    redis.call('SET', key, by, 'PX', window)
    current, ttl = tonumber(by), tonumber(window)
  end
  counts[2 * i - 1], counts[2 * i] = current, ttl
end
return counts
`;

/** How long Redis is left alone after it has failed: a request that waits for it here waits for it again at the board. */
const REST_MS = 1_000;
/** In a cluster counters are spread over as many hash slots. What has one slot is counted by one script. */
const SLOTS = 16;

/** What counts where there is no Redis, or while it is away. */
interface OwnCounters {
  increment(key: string, windowMs: number): Count | Promise<Count>;
}

/** A counter that is to grow by one for each of those who wait for it. */
interface Asked {
  readonly key: string;
  readonly windowMs: number;
  readonly waiting: { resolve(count: Count): void; reject(reason: unknown): void }[];
}

/**
 * Counts of what somebody did in a window of time: in Redis, for all instances together, or in this instance alone. What is
 * counted in one turn of the event loop goes to Redis together: a command of its own costs more than all else about a request.
 */
export class RateCounters {
  readonly #redis: RedisClient | null;
  readonly #scripts: Scripts<'count'> | null;
  readonly #breaker = new CircuitBreaker(REST_MS);
  readonly #own: OwnCounters;
  readonly #slots: number;
  /** What was asked for in this turn, by key. */
  #asked = new Map<string, Asked>();

  constructor(redis: RedisClient | null, own: OwnCounters) {
    this.#redis = redis;
    this.#own = own;
    this.#slots = redis instanceof Cluster ? SLOTS : 1;
    this.#scripts = this.define({ count: { numberOfKeys: null, lua: COUNT } });
  }

  /** Scripts that count something else, or null where each instance counts for itself. While Redis rests, they throw. */
  define<Name extends string>(scripts: Parameters<typeof defineScripts<Name>>[1]): Scripts<Name> | null {
    return this.#redis && defineScripts(this.#redis, scripts, this.#breaker);
  }

  /** @throws if there is a Redis and it does not answer */
  increment(key: string, windowMs: number): Count | Promise<Count> {
    const scripts = this.#scripts;
    if (scripts === null) return this.#own.increment(key, windowMs);
    if (this.#asked.size === 0) setImmediate(() => this.#countAll(scripts));
    return new Promise((resolve, reject) => {
      getOrMake(this.#asked, key, () => ({ key, windowMs, waiting: [] })).waiting.push({ resolve, reject });
    });
  }

  /** Counts in this instance alone. */
  incrementOwn(key: string, windowMs: number): Count | Promise<Count> {
    return this.#own.increment(key, windowMs);
  }

  #countAll(scripts: Scripts<'count'>): void {
    const slots = new Map<number, Asked[]>();
    for (const asked of this.#asked.values()) {
      getOrMake(slots, slotOf(asked.key, this.#slots), () => []).push(asked);
    }
    this.#asked = new Map();
    for (const [slot, asked] of slots) void count(scripts, slot, asked);
  }
}

/** Answers all who wait for these counters, in their order. */
async function count(scripts: Scripts<'count'>, slot: number, asked: readonly Asked[]): Promise<void> {
  try {
    const answer = await scripts.count(
      asked.map(({ key }) => `scoreboard:rate:{${slot}}:${key}`),
      asked.flatMap(({ waiting, windowMs }) => [waiting.length, windowMs]),
    );
    if (!Array.isArray(answer) || answer.length !== 2 * asked.length)
      throw new Error('Redis has given an answer that no script of ours gives');
    const counts = answer.map(Number);
    for (const [i, { waiting, windowMs }] of asked.entries()) {
      const [last = waiting.length, ttl = windowMs] = counts.slice(2 * i, 2 * i + 2);
      for (const [n, { resolve }] of waiting.entries())
        resolve({ current: last - waiting.length + n + 1, ttl });
    }
  } catch (error) {
    for (const { waiting } of asked) for (const { reject } of waiting) reject(error);
  }
}

/** The same for a key on every instance. */
function slotOf(key: string, slots: number): number {
  if (slots === 1) return 0;
  let hash = 0;
  for (let i = 0; i < key.length; i++) hash = (31 * hash + key.charCodeAt(i)) % 65_536;
  return hash % slots;
}

import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { Problem } from '../errors.js';
import type { RateCounters } from '../redis/rate-counters.js';
import type { Scripts } from '../redis/scripts.js';

/** Tries without a wait; after each further one the account waits, twice as long each time, up to a limit. */
const FREE_TRIES = 5;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 15 * 60_000;
/** Tries are forgotten when there was none for so long. */
const FORGOTTEN_AFTER_MS = 86_400_000;
/** How long a network is remembered from which the owner has logged in. */
const KNOWN_FOR_MS = 7 * 86_400_000;
const MAX_LOCAL = 50_000;

/**
 * KEYS tries of the account, tries from this network. ARGV free tries, first wait, longest wait, forgotten after, known
 * for, all in ms. Ms to wait, or 0: then this try is counted.
 */
const BEGIN = `
local known = redis.call('EXISTS', KEYS[2]) == 1
local key = known and KEYS[2] or KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state = redis.call('HMGET', key, 'tries', 'until')
local wait = (tonumber(state[2]) or 0) - now
if wait > 0 then return wait end
local tries = (tonumber(state[1]) or 0) + 1
local pause = 0
if tries >= tonumber(ARGV[1]) then pause = math.min(ARGV[2] * 2 ^ (tries - ARGV[1]), ARGV[3]) end
redis.call('HSET', key, 'tries', tries, 'until', now + pause)
redis.call('PEXPIRE', key, known and ARGV[5] or ARGV[4])
return 0
`;

/** KEYS as above. ARGV known for, in ms. */
const SUCCEEDED = `
if redis.call('DEL', KEYS[2]) == 0 then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[2], 'tries', 0)
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return 0
`;

interface Tries {
  readonly tries: number;
  /** When the next is allowed, on the clock of `performance.now()`. */
  readonly until: number;
}

/**
 * Slows down guesses of one account's password, from however many addresses. Tries are counted before the password is
 * checked, so that concurrent tries do not slip through, and for unknown names too, so that a refusal reveals nothing.
 * Tries that are refused do not make the wait longer.
 *
 * A network from which the owner has logged in lately has a count of its own: guesses from elsewhere do not lock the
 * owner out there. Counted in Redis for all instances, else in this process.
 */
export class LoginAttempts {
  readonly #scripts: Scripts<'begin' | 'succeeded'> | null;
  readonly #local = new LRUCache<string, Tries>({ max: MAX_LOCAL, ttl: FORGOTTEN_AFTER_MS });

  constructor(counters: RateCounters) {
    this.#scripts = counters.define({
      begin: { numberOfKeys: 2, lua: BEGIN },
      succeeded: { numberOfKeys: 2, lua: SUCCEEDED },
    });
  }

  /** @throws Problem `rate-limited` if this account must wait */
  async begin(username: string, network: string): Promise<void> {
    const keys = keysOf(username, network);
    const limits = [FREE_TRIES, FIRST_WAIT_MS, LONGEST_WAIT_MS, FORGOTTEN_AFTER_MS, KNOWN_FOR_MS];
    const wait = await this.#shared('begin', keys, limits, () => this.#beginLocally(keys));
    if (wait <= 0) return;
    const retryAfter = Math.ceil(wait / 1000);
    throw new Problem('rate-limited', `Too many attempts for this account. Try again in ${retryAfter} s.`, {
      retryAfter,
    });
  }

  /** The password was right: its tries count no more. */
  async succeeded(username: string, network: string): Promise<void> {
    const keys = keysOf(username, network);
    await this.#shared('succeeded', keys, [KNOWN_FOR_MS], () => {
      if (!this.#local.delete(keys[1])) this.#local.delete(keys[0]);
      this.#local.set(keys[1], { tries: 0, until: 0 }, { ttl: KNOWN_FOR_MS });
      return 0;
    });
  }

  #beginLocally([account, fromNetwork]: Keys): number {
    const known = this.#local.has(fromNetwork);
    const key = known ? fromNetwork : account;
    const state = this.#local.get(key) ?? { tries: 0, until: 0 };
    const now = performance.now();
    if (state.until > now) return state.until - now;
    const tries = state.tries + 1;
    const pause =
      tries < FREE_TRIES ? 0 : Math.min(FIRST_WAIT_MS * 2 ** (tries - FREE_TRIES), LONGEST_WAIT_MS);
    this.#local.set(key, { tries, until: now + pause }, known ? { ttl: KNOWN_FOR_MS } : {});
    return 0;
  }

  async #shared(
    script: 'begin' | 'succeeded',
    keys: Keys,
    args: number[],
    locally: () => number,
  ): Promise<number> {
    if (this.#scripts === null) return locally();
    try {
      return Number(await this.#scripts[script](keys, args));
    } catch {
      return locally();
    }
  }
}

type Keys = readonly [account: string, fromNetwork: string];

/** Hashes: what somebody types as a name may be long, or a password. The braces keep both on one node of a cluster. */
function keysOf(username: string, network: string): Keys {
  const hash = (text: string) => createHash('sha256').update(text).digest('base64url').slice(0, 22);
  const account = `scoreboard:login:{${hash(username.toLowerCase())}}`;
  return [account, `${account}:${hash(network)}`];
}

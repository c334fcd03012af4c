import { createHash } from 'node:crypto';
import { Problem } from '../errors.js';
import type { RateCounters } from '../redis/rate-counters.js';
import type { Scripts } from '../redis/scripts.js';
import {
  FIRST_WAIT_MS,
  FORGOTTEN_AFTER_MS,
  FREE_TRIES,
  KNOWN_FOR_MS,
  LONGEST_WAIT_MS,
} from './login-tries.js';

/** Whatever else is in the place of a key is removed: its failures would make Redis rest for all other counts as well. */
const HEAL = `
for _, key in ipairs(KEYS) do
  local kept = redis.call('TYPE', key).ok
  if kept ~= 'hash' and kept ~= 'none' then redis.call('UNLINK', key) end
end
`;

/**
 * KEYS tries of the account, tries from this network. ARGV free tries, first wait, longest wait, forgotten after, known
 * for, all in ms. Ms to wait, or 0: then this try is counted.
 */
const BEGIN = `${HEAL}
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
const SUCCEEDED = `${HEAL}
if redis.call('DEL', KEYS[2]) == 0 then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[2], 'tries', 0)
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return 0
`;

/** What counts where there is no Redis, or while it is away. */
interface OwnTries {
  begin(account: string, fromNetwork: string): number | Promise<number>;
  succeeded(account: string, fromNetwork: string): void | Promise<void>;
}

/**
 * Slows down guesses of one account's password, from however many addresses. Tries are counted before the password is
 * checked, so that concurrent tries do not slip through, and for unknown names too, so that a refusal reveals nothing.
 * Tries that are refused do not make the wait longer.
 *
 * A network from which the owner has logged in lately has a count of its own: guesses from elsewhere do not lock the
 * owner out there. Counted in Redis for all instances, else in this one.
 */
export class LoginAttempts {
  readonly #scripts: Scripts<'begin' | 'succeeded'> | null;
  readonly #own: OwnTries;

  constructor(counters: RateCounters, own: OwnTries) {
    this.#own = own;
    this.#scripts = counters.define({
      begin: { numberOfKeys: 2, lua: BEGIN },
      succeeded: { numberOfKeys: 2, lua: SUCCEEDED },
    });
  }

  /** @throws Problem `rate-limited` if this account must wait */
  async begin(username: string, network: string): Promise<void> {
    const keys = keysOf(username, network);
    const limits = [FREE_TRIES, FIRST_WAIT_MS, LONGEST_WAIT_MS, FORGOTTEN_AFTER_MS, KNOWN_FOR_MS];
    const wait = await this.#shared('begin', keys, limits, () => this.#own.begin(...keys));
    if (wait <= 0) return;
    const retryAfter = Math.ceil(wait / 1000);
    throw new Problem('rate-limited', `Too many attempts for this account. Try again in ${retryAfter} s.`, {
      retryAfter,
    });
  }

  /** The password was right: its tries count no more. */
  async succeeded(username: string, network: string): Promise<void> {
    const keys = keysOf(username, network);
    await this.#shared('succeeded', keys, [KNOWN_FOR_MS], async () => {
      await this.#own.succeeded(...keys);
      return 0;
    });
  }

  async #shared(
    script: 'begin' | 'succeeded',
    keys: Keys,
    args: number[],
    ourselves: () => number | Promise<number>,
  ): Promise<number> {
    if (this.#scripts === null) return ourselves();
    try {
      return Number(await this.#scripts[script](keys, args));
    } catch {
      return ourselves();
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

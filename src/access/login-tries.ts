import { boundedCache } from '../bounded-cache.js';

/** Tries without a wait; after each further one the account waits, twice as long each time, up to a limit. */
export const FREE_TRIES = 5;
export const FIRST_WAIT_MS = 1_000;
export const LONGEST_WAIT_MS = 15 * 60_000;
/** Tries are forgotten when there was none for so long. */
export const FORGOTTEN_AFTER_MS = 86_400_000;
/** How long a network is remembered from which the owner has logged in. */
export const KNOWN_FOR_MS = 7 * 86_400_000;
const MAX_KEYS = 50_000;

interface Tries {
  readonly tries: number;
  /** When the next is allowed, on the clock of `performance.now()`. */
  readonly until: number;
}

/** Tries to log in, counted in this process: what the scripts of LoginAttempts do in Redis. */
export class LoginTries {
  readonly #tries = boundedCache<string, Tries>(MAX_KEYS, { ttl: FORGOTTEN_AFTER_MS });

  /** Counts a try. @returns milliseconds to wait, or 0: then it is allowed */
  begin(account: string, fromNetwork: string): number {
    const known = this.#tries.has(fromNetwork);
    const key = known ? fromNetwork : account;
    const state = this.#tries.get(key) ?? { tries: 0, until: 0 };
    const now = performance.now();
    if (state.until > now) return state.until - now;
    const tries = state.tries + 1;
    const pause =
      tries < FREE_TRIES ? 0 : Math.min(FIRST_WAIT_MS * 2 ** (tries - FREE_TRIES), LONGEST_WAIT_MS);
    this.#tries.set(key, { tries, until: now + pause }, known ? { ttl: KNOWN_FOR_MS } : {});
    return 0;
  }

  /** The password was right: its tries count no more. */
  succeeded(account: string, fromNetwork: string): void {
    if (!this.#tries.delete(fromNetwork)) this.#tries.delete(account);
    this.#tries.set(fromNetwork, { tries: 0, until: 0 }, { ttl: KNOWN_FOR_MS });
  }
}

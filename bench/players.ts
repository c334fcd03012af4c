import { accessToken, actionToken } from '../dev/mint.js';
import { newId } from '../src/ids.js';

/** Of the services that are measured; of no other. */
export const JWT_SECRET = 'the benchmark signs access tokens with this';
export const ACTION_TOKEN_SECRET = 'the benchmark signs action tokens with this';

/** Added to a number, it makes the hexadecimal digits of all as many; to pad them would take PostgreSQL twice as long. */
const BASE = 2 ** 32;
const HEAD = `01${'0'.repeat(15)}`;
/** The n-th user, from 1. Digits that are hexadecimal too, so that SQL can make the same. */
export const userId = (n: number): string => `usr_${HEAD}${(BASE + n).toString(16)}`;
/** The same in SQL, of an expression, and for other kinds of ids. */
export const sqlId = (kind: 'usr' | 'evt' | 'tok', n: string): string =>
  `'${kind}_${HEAD}' || to_hex(${BASE} + ${n})`;

/** Of either kind of token: longer than a benchmark. */
export const TOKEN_LIFETIME_S = 3_600;

/** An access token, as the service signs it for a guest. */
export const playerToken = (user: string): string =>
  accessToken({ sub: user, sid: newId('ses'), role: 'player' }, JWT_SECRET, TOKEN_LIFETIME_S);

/** A token that counts once: 10 points of the action `collect-coin`. */
export const coinToken = (user: string): string =>
  actionToken(
    { sub: user, act: 'collect-coin', pts: [10, 10], azp: 'player' },
    ACTION_TOKEN_SECRET,
    TOKEN_LIFETIME_S,
  );

import { accessToken, actionToken } from '../dev/mint.js';
import { newId } from '../src/ids.js';

/** Secrets of the services that are measured, and of no other. */
export const JWT_SECRET = 'the benchmark signs access tokens with this';
export const ACTION_TOKEN_SECRET = 'the benchmark signs action tokens with this';

/** Added to a number so that all have as many hexadecimal digits. */
const BASE = 2 ** 32;
/** The id of the n-th user, from 1. Its digits are hexadecimal, so that SQL can compute the same id. */
export const userId = (n: number): string => `usr_01${'0'.repeat(15)}${(BASE + n).toString(16)}`;
/** SQL for the same id as it is stored; `n` is an SQL expression. Each digit of four bits is one of five. */
export const sqlId = (n: string): string => {
  const digits = Array.from({ length: 9 }, (_, i) => `(((${BASE} + ${n}) >> ${4 * i} & 15) << ${5 * i})`);
  return `('01${'0'.repeat(19)}' || to_hex(${digits.join(' + ')}))::uuid`;
};

/** Lifetime of access tokens and action tokens: longer than a benchmark. */
export const TOKEN_LIFETIME_S = 3_600;

/** An access token, as the service signs it for a guest. */
export const playerToken = (user: string): string =>
  accessToken({ sub: user, sid: newId('ses'), role: 'player' }, JWT_SECRET, TOKEN_LIFETIME_S);

/** An access token, as the service signs it for an administrator. */
export const adminToken = (): string =>
  accessToken({ sub: newId('svc'), role: 'admin' }, JWT_SECRET, TOKEN_LIFETIME_S);

/** An access token, as the service signs it for a game server. */
export const serverToken = (): string =>
  accessToken({ sub: newId('svc'), role: 'server' }, JWT_SECRET, TOKEN_LIFETIME_S);

/** An action token for 10 points of the action `collect-coin`. */
export const coinToken = (user: string): string =>
  actionToken(
    { sub: user, act: 'collect-coin', pts: [10, 10], azp: 'player' },
    ACTION_TOKEN_SECRET,
    TOKEN_LIFETIME_S,
  );

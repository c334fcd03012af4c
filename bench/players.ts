import { createHmac } from 'node:crypto';
import { newId } from '../src/ids.js';
import { signActionToken } from '../src/scoring/action-token.js';

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

const JWT_HEADER = encode({ alg: 'HS256', typ: 'JWT' });
/** Of either kind of token: longer than a benchmark. */
export const TOKEN_LIFETIME_S = 3_600;

/** An access token, as the service signs it for a guest. */
export function accessToken(user: string): string {
  const iat = Math.floor(Date.now() / 1000);
  const claims = { sub: user, sid: newId('ses'), role: 'player', iat, exp: iat + TOKEN_LIFETIME_S };
  const input = `${JWT_HEADER}.${encode({ ...claims, iss: 'scoreboard-api', aud: 'scoreboard-api' })}`;
  return `${input}.${createHmac('sha256', JWT_SECRET).update(input).digest('base64url')}`;
}

/** A token that counts once: 10 points of the action `collect-coin`. */
export function actionToken(user: string): string {
  const iat = Math.floor(Date.now() / 1000);
  return signActionToken(
    {
      ...{
        iss: 'scoreboard-api',
        aud: 'scoreboard-action',
        sub: user,
        jti: newId('tok'),
        act: 'collect-coin',
      },
      ...{ pts: [10, 10], iat, nbf: iat, exp: iat + TOKEN_LIFETIME_S, azp: 'player' },
    } as const,
    ACTION_TOKEN_SECRET,
  );
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

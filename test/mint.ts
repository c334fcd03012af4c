import { randomBytes } from 'node:crypto';
import { jwt } from '../dev/mint.js';
import { ACTION_TOKEN_SECRET } from './helper.js';

/** Tokens made by hand, as somebody would who has only the description of their format: nothing of src/ is used. */

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** A TypeID of now. */
export function typeId(prefix: string): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  let number = BigInt(`0x${bytes.toString('hex')}`);
  let suffix = '';
  for (; suffix.length < 26; number >>= 5n) suffix = ALPHABET[Number(number & 31n)] + suffix;
  return `${prefix}_${suffix}`;
}

/** Claims of a good action token. An override of `undefined` leaves its claim out. */
export function actionClaims(
  userId: string,
  overrides: Record<string, unknown> = {},
): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: 'scoreboard-api',
    aud: 'scoreboard-action',
    sub: userId,
    jti: typeId('tok'),
    act: 'win-match',
    pts: [250, 250],
    iat: now,
    nbf: now,
    exp: now + 300,
    ...overrides,
  };
}

/** An action token as a game server mints it. */
export const mint = (
  userId: string,
  overrides: Record<string, unknown> = {},
  secret = ACTION_TOKEN_SECRET,
): string => jwt({ alg: 'HS256', typ: 'action+jwt' }, actionClaims(userId, overrides), secret);

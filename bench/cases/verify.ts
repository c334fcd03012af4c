import { createHmac } from 'node:crypto';
import { signingKey, verifyActionToken } from '../../src/scoring/action-token.js';
import type { Case } from '../case.js';
import { pairs } from '../pairs.js';
import { ACTION_TOKEN_SECRET, coinToken, TOKEN_LIFETIME_S, userId } from '../players.js';

const TOKENS = 20_000;

export const verify: Case = async () => {
  const tokens = Array.from({ length: TOKENS }, (_, i) => coinToken(userId(i + 1)));
  const keys = [signingKey(ACTION_TOKEN_SECRET)];
  const microsecondsEach = (check: (token: string) => boolean) => async (): Promise<number> => {
    const start = performance.now();
    for (const token of tokens) if (!check(token)) throw new Error(`Not valid: ${token}`);
    return ((performance.now() - start) * 1000) / TOKENS;
  };
  return [
    {
      what: 'verify: microseconds to check an action token',
      against: 'one HMAC over the same bytes, and JSON.parse',
      figure: await pairs(
        microsecondsEach((token) => verifyActionToken(token, keys, TOKEN_LIFETIME_S).result === 'valid'),
        microsecondsEach((token) => {
          const [head = '', body = ''] = token.split('.');
          const digest = createHmac('sha256', ACTION_TOKEN_SECRET).update(`${head}.${body}`).digest();
          const claims: unknown = JSON.parse(Buffer.from(body, 'base64url').toString());
          return digest.length === 32 && claims !== null;
        }),
      ),
      target: { atMost: 2.5 },
    },
  ];
};

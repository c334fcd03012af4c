import fp from 'fastify-plugin';
import type { Action, ActionToken } from '../schemas/action.js';
import type { PointsRange } from '../schemas/common.js';
import type { AppConfig } from '../src/config.js';
import { newId } from '../src/ids.js';
import {
  type ActionTokenClaims,
  AUDIENCE,
  ISSUER,
  issuedBy,
  signActionToken,
  signingKey,
  type Verification,
  verifyActionToken,
} from '../src/scoring/action-token.js';

declare module 'fastify' {
  interface FastifyInstance {
    actionToken: {
      /** A token for one completion of the action by the user, for points in the range. `by` whom: an account, or `player`. */
      issue(action: Action, userId: string, points: PointsRange, by: string): ActionToken;
      verify(token: string): Verification;
      issuedBy(claims: ActionTokenClaims): string | null;
      /** Of a token, in seconds. */
      readonly lifetime: number;
    };
  }
}

/** Issues and verifies action tokens. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const { ACTION_TOKEN_SECRET, ACTION_TOKEN_SECRET_PREVIOUS, ACTION_TOKEN_TTL } = config;
    const keys = [
      ACTION_TOKEN_SECRET,
      ...(ACTION_TOKEN_SECRET_PREVIOUS ? [ACTION_TOKEN_SECRET_PREVIOUS] : []),
    ].map(signingKey);
    app.decorate('actionToken', {
      issue(action: Action, userId: string, points: PointsRange, by: string): ActionToken {
        const now = Date.now();
        const iat = Math.floor(now / 1000);
        const claims: ActionTokenClaims = {
          iss: ISSUER,
          aud: AUDIENCE,
          sub: userId,
          jti: newId('tok'),
          act: action.id,
          pts: [points.min, points.max],
          iat,
          // A NumericDate may have a fraction: a minimum of 1,500 ms is not rounded to 1 or 2 s.
          nbf: action.minDurationMs === 0 ? iat : (now + action.minDurationMs) / 1000,
          exp: iat + ACTION_TOKEN_TTL,
          azp: by,
        };
        return {
          actionToken: signActionToken(claims, ACTION_TOKEN_SECRET),
          tokenId: claims.jti,
          action: action.id,
          userId,
          points,
          notBefore: new Date(now + action.minDurationMs).toISOString(),
          expiresAt: new Date(claims.exp * 1000).toISOString(),
        };
      },
      lifetime: ACTION_TOKEN_TTL,
      verify: (token: string) => verifyActionToken(token, keys, ACTION_TOKEN_TTL),
      issuedBy,
    });
  },
  { name: 'action-token', fastify: '5.x' },
);

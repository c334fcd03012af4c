import type { Action, ActionToken, ActionTokenRequest } from '../../schemas/action.js';
import type { PointsRange } from '../../schemas/common.js';
import { type Caller, requireScope } from '../access/caller.js';
import type { Users } from '../access/users.js';
import type { Catalog } from '../catalog/catalog.js';
import { instant, now } from '../clock.js';
import { invalid, Problem } from '../errors.js';
import { newId } from '../ids.js';
import {
  type ActionTokenClaims,
  AUDIENCE,
  ISSUER,
  type SigningKey,
  signActionToken,
  signingKey,
  type Verification,
  verifyActionToken,
} from './action-token.js';

interface ActionTokensOptions {
  readonly catalog: Pick<Catalog, 'action'>;
  readonly users: Pick<Users, 'get'>;
  readonly secret: string;
  /** Tokens that it has signed are still taken. */
  readonly previousSecret: string | undefined;
  /** Of a token, in seconds. */
  readonly lifetime: number;
}

/** Issues and verifies action tokens. */
export class ActionTokens {
  readonly #options: ActionTokensOptions;
  /** The newest first: it signs. */
  readonly #keys: readonly [SigningKey, ...SigningKey[]];

  constructor(options: ActionTokensOptions) {
    this.#options = options;
    const { secret, previousSecret } = options;
    this.#keys = [signingKey(secret), ...(previousSecret === undefined ? [] : [signingKey(previousSecret)])];
  }

  /**
   * A token for one completion of an action: for players themselves, if players may issue it; a game server names the user,
   * and may name the points.
   * @throws Problem `not-found`, `validation-failed`, `points-out-of-range`, `forbidden`, `action-not-player-issuable`
   */
  async issue(
    caller: Caller,
    { action: actionId, userId, points }: ActionTokenRequest,
  ): Promise<ActionToken> {
    const action = await this.#options.catalog.action(actionId);
    if (action === null) throw new Problem('not-found', `There is no action "${actionId}".`);
    if (caller.scopes.includes('scores:mint')) {
      if (userId === undefined) throw invalid('/userId', 'is missing');
      const range = pointsOf(action, points);
      const { id } = await this.#options.users.get(userId);
      return this.#sign(action, id, range, caller.id);
    }
    if (userId !== undefined || points !== undefined || caller.sessionId === null)
      requireScope(caller, 'scores:mint');
    if (action.issuer !== 'player') {
      throw new Problem('action-not-player-issuable', `Only a game server may issue "${actionId}".`);
    }
    return this.#sign(action, caller.id, action.points, 'player');
  }

  /** Whether the service or a holder of its secret has signed this token, and whether its time has come and not passed. */
  verify(token: string): Verification {
    return verifyActionToken(token, this.#keys, this.#options.lifetime);
  }

  /** @param by the game server that has asked for the token, or `player` */
  #sign(action: Action, userId: string, points: PointsRange, by: string): ActionToken {
    const { lifetime } = this.#options;
    const [key] = this.#keys;
    const issuedAt = now();
    const iat = Math.floor(issuedAt / 1000);
    const claims: ActionTokenClaims = {
      iss: ISSUER,
      aud: AUDIENCE,
      sub: userId,
      jti: newId('tok'),
      act: action.id,
      pts: [points.min, points.max],
      iat,
      // A NumericDate may have a fraction: a minimum of 1,500 ms is not rounded to 1 or 2 s.
      nbf: action.minDurationMs === 0 ? iat : (issuedAt + action.minDurationMs) / 1000,
      exp: iat + lifetime,
      azp: by,
    };
    return {
      actionToken: signActionToken(claims, key),
      tokenId: claims.jti,
      action: action.id,
      userId,
      points,
      notBefore: instant(issuedAt + action.minDurationMs),
      expiresAt: instant(claims.exp * 1000),
    };
  }
}

function pointsOf({ id, points: { min, max } }: Action, exactly: number | undefined): PointsRange {
  if (exactly === undefined) return { min, max };
  if (exactly < min || exactly > max)
    throw new Problem('points-out-of-range', `"${id}" gives ${min} to ${max} points.`);
  return { min: exactly, max: exactly };
}

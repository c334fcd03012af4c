import type { Action } from '../../schemas/action.js';
import type { Receipt, ScoreSubmission } from '../../schemas/score.js';
import type { Caller } from '../access/caller.js';
import type { Catalog } from '../catalog/catalog.js';
import { invalid, isOurFault, Problem } from '../errors.js';
import type { ScoreLedger, Submission } from '../ledger/score-ledger.js';
import { type ActionTokenClaims, issuedBy } from './action-token.js';
import type { ActionTokens } from './action-tokens.js';
import { rejectionOf, type TokenResult } from './rejections.js';

/** A token that its caller may redeem now, unless it was redeemed before. */
export interface RedeemableToken {
  readonly action: Action;
  readonly claims: ActionTokenClaims;
  /** The id of the key that has signed it. */
  readonly key: string;
}

interface ScoresOptions {
  readonly catalog: Pick<Catalog, 'action' | 'limits'>;
  readonly tokens: Pick<ActionTokens, 'verify'>;
  readonly ledger: Pick<ScoreLedger, 'record' | 'replay'>;
  /** A token was looked at, with this result. */
  readonly onToken: (result: TokenResult) => void;
  /** A score was taken, or refused for a reason of the caller's, or has failed for one of ours. */
  readonly onScore: (status: 'accepted' | 'held' | 'refused' | 'failed') => void;
}

/**
 * Turns a finished action into a score. `verify()` says whether the caller may redeem a token, `redeem()` counts it: two
 * steps, so that a failure of the second can name the player.
 */
export class Scores {
  readonly #options: ScoresOptions;

  constructor(options: ScoresOptions) {
    this.#options = options;
  }

  /**
   * @throws Problem `action-token-invalid`, `action-token-user-mismatch`, `action-token-premature`, `action-token-expired`, or
   * `action-token-replayed` if it is expired but was counted before
   */
  async verify(caller: Caller, actionToken: string): Promise<RedeemableToken> {
    try {
      return await this.#verify(caller, actionToken);
    } catch (error) {
      const rejection = rejectionOf(error);
      if (rejection !== undefined) this.#options.onToken(rejection);
      this.#options.onScore(isOurFault(error) ? 'failed' : 'refused');
      throw error;
    }
  }

  /**
   * Counts a token, once. Resolves when its points are on disk.
   * @param given points within the range of the token; may be left out if that is one number
   * @throws Problem `validation-failed`, `points-out-of-range`, and what ScoreLedger.record() throws
   */
  async redeem(
    { claims, key }: RedeemableToken,
    { points: given, metadata }: Pick<ScoreSubmission, 'points' | 'metadata'>,
    trace: Submission['trace'] = null,
  ): Promise<Receipt> {
    const { catalog, ledger, onToken, onScore } = this.#options;
    try {
      const points = pointsOf(claims, given);
      const { acceptedAt, ...recorded } = await ledger.record({
        tokenId: claims.jti,
        userId: claims.sub,
        actionId: claims.act,
        points,
        metadata: metadata ?? null,
        tokenExpiresAt: claims.exp,
        issuedBy: issuedBy(claims),
        signingKey: key,
        limits: await catalog.limits(claims.act),
        trace,
      });
      onToken('valid');
      onScore(recorded.status === 'held' ? 'held' : 'accepted');
      return {
        ...recorded,
        userId: claims.sub,
        action: claims.act,
        points,
        acceptedAt: new Date(acceptedAt).toISOString(),
      };
    } catch (error) {
      onToken(rejectionOf(error) ?? 'valid');
      onScore(isOurFault(error) ? 'failed' : 'refused');
      throw error;
    }
  }

  async #verify({ id, role }: Caller, actionToken: string): Promise<RedeemableToken> {
    const { catalog, tokens, ledger } = this.#options;
    const verification = tokens.verify(actionToken);
    if (verification.result === 'invalid') throw invalidToken(verification.reason);
    const { claims, key, result } = verification;
    if (role !== 'server' && id !== claims.sub)
      throw new Problem('action-token-user-mismatch', 'The action token names another user.');
    const action = await catalog.action(claims.act);
    if (action === null) throw invalidToken(`there is no action "${claims.act}"`);
    if (result === 'premature')
      throw new Problem(
        'action-token-premature',
        `The action cannot be finished before ${when(claims.nbf)}.`,
      );
    if (result === 'expired') {
      // A client that lost the answer and asks only now still learns that the score was counted.
      const replay = await ledger.replay(claims.jti, claims.sub);
      throw replay ?? new Problem('action-token-expired', `The action token expired at ${when(claims.exp)}.`);
    }
    return { action, claims, key };
  }
}

const invalidToken = (reason: string) =>
  new Problem('action-token-invalid', `The action token is not valid: ${reason}.`);

const when = (seconds: number): string => new Date(seconds * 1000).toISOString();

function pointsOf({ pts: [min, max] }: ActionTokenClaims, given: number | undefined): number {
  if (given === undefined) {
    if (min === max) return min;
    throw invalid('/points', `is missing: the action token allows ${min} to ${max}`);
  }
  if (given < min || given > max) {
    throw new Problem(
      'points-out-of-range',
      `The action token allows ${min === max ? min : `${min} to ${max}`} points.`,
    );
  }
  return given;
}

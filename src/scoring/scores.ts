import pLimit from 'p-limit';
import type { Action } from '../../schemas/action.js';
import type { MintedScore, Receipt, ScoreSubmission } from '../../schemas/score.js';
import { type Caller, requireScope } from '../access/caller.js';
import type { Catalog } from '../catalog/catalog.js';
import { instant } from '../clock.js';
import { invalid, isOurFault, Problem } from '../errors.js';
import type { ScoreLedger, Submission } from '../ledger/score-ledger.js';
import { type ActionTokenClaims, issuedBy } from './action-token.js';
import type { ActionTokens } from './action-tokens.js';
import { tokenIdOfKey } from './idempotency-key.js';
import { checkMetadata } from './metadata.js';
import { rejectionOf, type TokenResult } from './rejections.js';

/** Tokens of a batch that are looked at together. Whether an expired one was counted, PostgreSQL is asked. */
const READY_AT_ONCE = 2;

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
      throw this.#failed(error, rejectionOf(error));
    }
  }

  /**
   * Counts a token, once. Resolves when its points are on disk.
   * @param given points within the range of the token; may be left out if that is one number
   * @throws Problem `validation-failed`, `points-out-of-range`, and what ScoreLedger.record() throws
   */
  async redeem(
    token: RedeemableToken,
    given: Pick<ScoreSubmission, 'points' | 'metadata' | 'season'>,
    trace: NonNullable<Submission['trace']> | null = null,
  ): Promise<Receipt> {
    return this.#record(await this.#redeemed(token, given, trace));
  }

  /**
   * Counts what a game server sends, in its order, each with its own outcome. What has no action token counts once for each
   * `idempotencyKey` of the account, for as long as the event is kept.
   * A Problem of one is what verify() and redeem() throw, `validation-failed` for its metadata, or, without a token, `forbidden`,
   * `not-found` (user or action), `points-out-of-range` or `already-counted`.
   */
  async recordAll(
    account: Caller,
    scores: readonly (ScoreSubmission | MintedScore)[],
  ): Promise<PromiseSettledResult<Receipt>[]> {
    // All are ready before the first is written, or those that take longer would come after later ones.
    const limit = pLimit(READY_AT_ONCE);
    const ready = await Promise.allSettled(
      scores.map((score) =>
        limit(async () => {
          checkMetadata(score.metadata);
          return 'actionToken' in score
            ? this.#redeemed(await this.verify(account, score.actionToken), score, null)
            : this.#minted(account, score);
        }),
      ),
    );
    return Promise.allSettled(
      ready.map(async (one) => {
        if (one.status === 'rejected') throw one.reason;
        return this.#record(one.value);
      }),
    );
  }

  async #redeemed(
    { claims, key }: RedeemableToken,
    { points, metadata, season }: Pick<ScoreSubmission, 'points' | 'metadata' | 'season'>,
    trace: NonNullable<Submission['trace']> | null,
  ): Promise<Submission> {
    try {
      return {
        tokenId: claims.jti,
        userId: claims.sub,
        actionId: claims.act,
        points: pointsOf(claims, points),
        metadata: metadata ?? null,
        tokenExpiresAt: claims.exp,
        tokenIssuedAt: claims.iat,
        expectedSeasons: season ?? null,
        issuedBy: issuedBy(claims),
        signingKey: key,
        limits: await this.#options.catalog.limits(claims.act),
        trace,
      };
    } catch (error) {
      throw this.#failed(error, 'valid');
    }
  }

  async #minted(
    account: Caller,
    { userId, action: actionId, points, idempotencyKey, metadata, season }: MintedScore,
  ): Promise<Submission> {
    const { catalog } = this.#options;
    try {
      requireScope(account, 'scores:mint');
      const action = await catalog.action(actionId);
      if (action === null) throw new Problem('not-found', `There is no action "${actionId}".`);
      const { min, max } = action.points;
      if (points < min || points > max)
        throw new Problem('points-out-of-range', `"${actionId}" gives ${min} to ${max} points.`);
      return {
        tokenId: tokenIdOfKey(account.id, idempotencyKey),
        userId,
        actionId,
        points,
        metadata: metadata ?? null,
        tokenExpiresAt: Number.POSITIVE_INFINITY,
        tokenIssuedAt: null,
        expectedSeasons: season ?? null,
        issuedBy: account.id,
        signingKey: null,
        limits: await catalog.limits(actionId),
      };
    } catch (error) {
      throw this.#failed(error);
    }
  }

  async #record(submission: Submission): Promise<Receipt> {
    const { ledger, onToken, onScore } = this.#options;
    const { userId, actionId: action, points, signingKey } = submission;
    const hasToken = signingKey !== null;
    try {
      const { eventId, acceptedAt, status, leaderboards } = await ledger.record(submission);
      if (hasToken) onToken('valid');
      onScore(status === 'held' ? 'held' : 'accepted');
      return {
        eventId,
        userId,
        action,
        points,
        acceptedAt: instant(acceptedAt),
        now: instant(),
        status,
        leaderboards,
      };
    } catch (error) {
      throw hasToken
        ? this.#failed(error, rejectionOf(error) ?? 'valid')
        : alreadyCounted(this.#failed(error));
    }
  }

  /** @param result what was found when its token was looked at, if that is known by now */
  #failed(error: unknown, result?: TokenResult): unknown {
    if (result !== undefined) this.#options.onToken(result);
    this.#options.onScore(isOurFault(error) ? 'failed' : 'refused');
    return error;
  }

  async #verify({ id, scopes }: Caller, actionToken: string): Promise<RedeemableToken> {
    const { catalog, tokens, ledger } = this.#options;
    const verification = tokens.verify(actionToken);
    if (verification.result === 'invalid') throw invalidToken(verification.reason);
    const { claims, key, result } = verification;
    if (id !== claims.sub && !scopes.includes('scores:write'))
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

/** For the ledger a key is a token. */
function alreadyCounted(error: unknown): unknown {
  if (!(error instanceof Problem) || error.code !== 'action-token-replayed') return error;
  const { original } = error;
  const detail = 'A score with this idempotency key was counted before; a key counts once.';
  return new Problem('already-counted', detail, original && { original });
}

const when = (seconds: number): string => instant(seconds * 1000);

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

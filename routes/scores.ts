import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { answer } from '../schemas/common.js';
import { MAX_METADATA_BYTES, Receipt, ScoreSubmission } from '../schemas/score.js';
import type { ActionTokenClaims } from '../src/action-token/token.js';
import { BODY_FAULTS, invalid, Problem, problemResponses } from '../src/errors.js';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/v1/scores',
    {
      onRequest: app.authenticate,
      config: app.limits.scores,
      schema: {
        summary: 'Score',
        description:
          'Counts a finished action, exactly once. A 200 means that the points are on disk. After an answer was lost, send the same token again: it is either counted now, or 409 says as what it was counted.',
        tags: ['Scores'],
        security: [{ bearer: [] }],
        body: ScoreSubmission,
        response: {
          200: answer(Receipt),
          ...problemResponses(
            ...BODY_FAULTS,
            'unauthenticated',
            'action-token-invalid',
            'action-token-expired',
            'action-token-premature',
            'action-token-user-mismatch',
            'user-banned',
            'not-found',
            'action-token-replayed',
            'points-out-of-range',
            'action-limit-reached',
          ),
        },
      },
    },
    async (request): Promise<Receipt> => {
      const { actionToken, points: given, metadata = null } = request.body;
      if (metadata !== null && isTooLong(metadata)) {
        throw invalid('/metadata', `must not be longer than ${MAX_METADATA_BYTES} bytes`);
      }
      const claims = await acceptedClaims(app, actionToken, (userId) => {
        if (request.user.role !== 'server' && request.user.id !== userId) {
          throw new Problem('action-token-user-mismatch', 'The action token names another user.');
        }
      });
      const points = pointsOf(claims, given);
      const recorded = await app.ledger.record({
        tokenId: claims.jti,
        userId: claims.sub,
        actionId: claims.act,
        points,
        metadata,
        tokenExpiresAt: claims.exp,
      });
      return {
        eventId: recorded.eventId,
        userId: claims.sub,
        action: claims.act,
        points,
        acceptedAt: new Date(recorded.acceptedAt).toISOString(),
        leaderboards: recorded.leaderboards,
      };
    },
  );
};

function isTooLong(metadata: object): boolean {
  try {
    return Buffer.byteLength(JSON.stringify(metadata)) > MAX_METADATA_BYTES;
  } catch {
    // Nested deeper than the stack, so far longer than allowed.
    return true;
  }
}

/** The claims of a token that may be recorded now. */
async function acceptedClaims(
  app: FastifyInstance,
  token: string,
  checkUser: (userId: string) => void,
): Promise<ActionTokenClaims> {
  const verification = app.actionToken.verify(token);
  if (verification.result === 'invalid') {
    throw new Problem('action-token-invalid', `The action token is not valid: ${verification.reason}.`);
  }
  const { claims, result } = verification;
  checkUser(claims.sub);
  if (app.catalog.action(claims.act) === undefined) {
    throw new Problem(
      'action-token-invalid',
      `The action token is not valid: there is no action "${claims.act}".`,
    );
  }
  if (result === 'premature') {
    throw new Problem('action-token-premature', `The action can be finished from ${when(claims.nbf)} on.`);
  }
  if (result === 'expired') {
    // Who lost the answer, and asks only now, still learns that it was counted.
    const replay = await app.ledger.replay(claims.jti, claims.sub);
    if (replay !== null) throw replay;
    throw new Problem('action-token-expired', `The action token was good until ${when(claims.exp)}.`);
  }
  return claims;
}

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

export default routes;

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { answer } from '../schemas/common.js';
import { MAX_METADATA_BYTES, Receipt, ScoreSubmission } from '../schemas/score.js';
import { BODY_FAULTS, invalid, Problem, type ProblemCode, problemResponses } from '../src/errors.js';
import { boardKey } from '../src/leaderboard/board-key.js';
import type { ActionTokenClaims, Verification } from '../src/scoring/action-token.js';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/v1/scores',
    {
      onRequest: app.authenticate,
      config: { limit: 'scores' },
      schema: {
        summary: 'Score',
        description:
          'Counts a finished action, exactly once. A 200 means that the points are on disk. After an answer was lost, send the same token again: it is either counted now, or 409 says as what it was counted. A token that comes up against a limit of its action (429), or whose leaderboards are all frozen (409), is not used up.',
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
            'board-frozen',
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
      let claims: ActionTokenClaims | undefined;
      const { trace } = request;
      try {
        trace?.enter('verify');
        const verified = await verify(app, actionToken, (userId) => {
          if (request.user.role !== 'server' && request.user.id !== userId) {
            throw new Problem('action-token-user-mismatch', 'The action token names another user.');
          }
        });
        claims = verified.claims;
        const points = pointsOf(claims, given);
        trace?.enter('batch');
        const recorded = await app.ledger.record({
          tokenId: claims.jti,
          userId: claims.sub,
          actionId: claims.act,
          points,
          metadata,
          tokenExpiresAt: claims.exp,
          issuedBy: app.actionToken.issuedBy(claims),
          signingKey: verified.key,
          limits: await app.catalog.limits(claims.act),
          trace,
        });
        const receipt: Receipt = {
          eventId: recorded.eventId,
          userId: claims.sub,
          action: claims.act,
          points,
          acceptedAt: new Date(recorded.acceptedAt).toISOString(),
          status: recorded.status,
          leaderboards: recorded.leaderboards,
        };
        accepted(app, request, receipt);
        return receipt;
      } catch (error) {
        notAccepted(app, request, error, claims);
        throw error;
      }
    },
  );
};

function accepted(app: FastifyInstance, request: FastifyRequest, receipt: Receipt): void {
  const { userId, eventId, action, points, status, leaderboards } = receipt;
  app.measured.actionTokenValidations.inc({ result: 'valid' });
  app.measured.scoreUpdates.inc({ status: status === 'held' ? 'held' : 'accepted' });
  const first = leaderboards.find((board) => 'score' in board);
  const data = { newScore: first?.score ?? null, leaderboard: first?.id ?? null, eventId, action, points };
  request.log.info({ userId, data }, status === 'held' ? 'Score held' : 'Score updated');
  const { trace } = request;
  if (trace === null) return;
  const boards = leaderboards.flatMap((board) => ('score' in board ? boardKey(board.id, board.season) : []));
  app.hub.shown(boards).then(
    () => trace.leave(),
    () => trace.fail(),
  );
}

const REJECTIONS: Partial<Record<ProblemCode, 'invalid' | 'expired' | 'replay'>> = {
  'action-token-invalid': 'invalid',
  'action-token-premature': 'invalid',
  'action-token-user-mismatch': 'invalid',
  'action-token-expired': 'expired',
  'action-token-replayed': 'replay',
};

/** @param claims of the token, if it was found good before the error */
function notAccepted(
  app: FastifyInstance,
  { log, user, trace }: FastifyRequest,
  error: unknown,
  claims: ActionTokenClaims | undefined,
): void {
  const problem = error instanceof Problem ? error : undefined;
  const failed = problem === undefined || problem.statusCode >= 500;
  const rejection = problem && REJECTIONS[problem.code];
  if (failed) trace?.fail();
  else trace?.leave();
  app.measured.scoreUpdates.inc({ status: failed ? 'failed' : 'refused' });
  const result = rejection ?? (claims && 'valid');
  if (result !== undefined) app.measured.actionTokenValidations.inc({ result });
  const data = { code: problem?.code ?? 'internal-error', reason: problem?.message };
  if (rejection !== undefined) log.warn({ userId: user.id, data }, 'Action token rejected');
  if (failed) log.error({ userId: claims?.sub ?? user.id, data }, 'Failed to update score');
}

function isTooLong(metadata: object): boolean {
  try {
    return Buffer.byteLength(JSON.stringify(metadata)) > MAX_METADATA_BYTES;
  } catch {
    // Nested deeper than the stack, so far longer than allowed.
    return true;
  }
}

/** What a token says that may be recorded now. */
async function verify(
  app: FastifyInstance,
  token: string,
  checkUser: (userId: string) => void,
): Promise<Exclude<Verification, { result: 'invalid' }>> {
  const verification = app.actionToken.verify(token);
  if (verification.result === 'invalid') {
    throw new Problem('action-token-invalid', `The action token is not valid: ${verification.reason}.`);
  }
  const { claims, result } = verification;
  checkUser(claims.sub);
  if ((await app.catalog.action(claims.act)) === null) {
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
  return verification;
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

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyBaseLogger } from 'fastify';
import { answer } from '../schemas/common.js';
import { Receipt, ScoreSubmission } from '../schemas/score.js';
import { type BoardKey, boardKey } from '../src/board-key.js';
import { BODY_FAULTS, isOurFault, Problem, problemResponses } from '../src/errors.js';
import { writtenReceipt } from '../src/http/score-writing.js';
import type { RequestTrace } from '../src/observability/request-trace.js';
import { checkMetadata } from '../src/scoring/metadata.js';
import { rejectionOf } from '../src/scoring/rejections.js';
import type { RedeemableToken } from '../src/scoring/scores.js';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/v1/scores',
    {
      onRequest: app.authenticate,
      config: { limit: 'scores' },
      schema: {
        operationId: 'submitScore',
        summary: 'Score',
        description:
          'Counts a finished action exactly once. A 200 means that the points are on disk. If the response is lost, send the same token again: it counts now, or a 409 returns the event that it counted as. A token that is rejected by a limit of its action (429), or because all its leaderboards are frozen or closed, or their season is not the expected one (409), is not consumed.',
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
            'season-ended',
            'season-changed',
            'points-out-of-range',
            'action-limit-reached',
          ),
        },
      },
    },
    async (request): Promise<Receipt> => {
      const { user, body, trace } = request;
      checkMetadata(body.metadata);
      let token: RedeemableToken | undefined;
      try {
        trace?.enter('verify');
        token = await app.scores.verify(user, body.actionToken);
        trace?.enter('batch');
        const receipt = await app.scores.redeem(token, body, trace);
        logReceipt(request.log, receipt);
        if (trace !== null) leaveWhenShown(trace, app.hub.shown(boardsOf(receipt)));
        return await writtenReceipt(receipt, app.catalog, request.headers['accept-language']);
      } catch (error) {
        if (isOurFault(error)) trace?.fail();
        else trace?.leave();
        logFailure(request.log, error, user.id, token?.claims.sub);
        throw error;
      }
    },
  );
};

function logReceipt(log: FastifyBaseLogger, receipt: Receipt): void {
  const { userId, eventId, action, points, status, leaderboards } = receipt;
  const first = leaderboards.find((board) => 'score' in board);
  const data = { newScore: first?.score ?? null, leaderboard: first?.id ?? null, eventId, action, points };
  log.info({ userId, data }, status === 'held' ? 'Score held' : 'Score updated');
}

const boardsOf = ({ leaderboards }: Receipt): BoardKey[] =>
  leaderboards.flatMap((board) => ('score' in board ? boardKey(board.id, board.season) : []));

function leaveWhenShown(trace: RequestTrace, shown: Promise<void>): void {
  shown.then(
    () => trace.leave(),
    () => trace.fail(),
  );
}

/** @param playerId of the token, if it was found valid before the error */
function logFailure(log: FastifyBaseLogger, error: unknown, callerId: string, playerId = callerId): void {
  const problem = error instanceof Problem ? error : undefined;
  const data = { code: problem?.code ?? 'internal-error', reason: problem?.message };
  if (rejectionOf(error) !== undefined) log.warn({ userId: callerId, data }, 'Action token rejected');
  if (isOurFault(error)) log.error({ userId: playerId, data }, 'Failed to update score');
}

export default routes;

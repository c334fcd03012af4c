import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer, MAX_BATCH_BYTES } from '../../schemas/common.js';
import { type BatchedScore, BatchedScores, ScoreBatch } from '../../schemas/score.js';
import { BODY_FAULTS, isOurFault, Problem, problemResponses } from '../../src/errors.js';
import { problemItem, problemsIn, valueOrProblem } from '../../src/http/problems.js';
import { writtenReceipt } from '../../src/http/score-writing.js';
import { rejectionOf } from '../../src/scoring/rejections.js';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/v1/scores/batch',
    {
      bodyLimit: MAX_BATCH_BYTES,
      config: { limit: 'scores', scope: 'scores:write' },
      schema: {
        operationId: 'submitScores',
        summary: 'Many scores at once',
        description:
          'For game servers. Counts up to 500 finished actions, each exactly once and by itself: one that is refused does not hold up the others. A submission has an action token, or names user, action and points itself, with an `idempotencyKey`, which needs the scope `scores:mint` too. If the response is lost, send the same again: what has counted is a 409 with the event that it counted as.',
        tags: ['Scores'],
        security: [{ bearer: [] }],
        body: ScoreBatch,
        response: {
          200: answer(BatchedScores),
          ...problemResponses(...BODY_FAULTS, 'unauthenticated', 'forbidden'),
        },
      },
    },
    async (request): Promise<BatchedScores> => {
      const { user, body, log } = request;
      const results = (await app.scores.recordAll(user, body.submissions)).map(valueOrProblem);
      const language = request.headers['accept-language'];
      const items = await Promise.all(
        results.map(async (result): Promise<BatchedScore> => {
          if (result instanceof Problem) return problemItem(result, request);
          return { status: 200, receipt: await writtenReceipt(result, app.catalog, language) };
        }),
      );
      for (const { first, count } of problemsIn(results)) {
        const data = { code: first.code, reason: first.message, count };
        if (rejectionOf(first) !== undefined) log.warn({ userId: user.id, data }, 'Action token rejected');
        if (isOurFault(first)) log.error({ userId: user.id, data }, 'Failed to update score');
        app.reportFault(first, request);
      }
      const accepted = items.filter(({ status }) => status === 200).length;
      const data = { submissions: items.length, accepted, rejected: items.length - accepted };
      log.info({ userId: user.id, data }, 'Scores updated');
      return { items };
    },
  );
};

export default routes;

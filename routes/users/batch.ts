import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer, MAX_BATCH_BYTES } from '../../schemas/common.js';
import { type BatchedUser, BatchedUsers, UserBatch } from '../../schemas/user.js';
import { BODY_FAULTS, Problem, problemResponses } from '../../src/errors.js';
import { problemItem, problemsIn, valueOrProblem } from '../../src/http/problems.js';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/v1/users/batch',
    {
      config: { scope: 'users:write' },
      bodyLimit: MAX_BATCH_BYTES,
      schema: {
        operationId: 'createUsers',
        summary: 'Register many players of your own system',
        description:
          'Creates up to 500 users, or returns those that have these `externalId`s. One that is refused does not hold up the others.',
        tags: ['Users'],
        security: [{ bearer: [] }],
        body: UserBatch,
        response: {
          200: answer(BatchedUsers),
          ...problemResponses(...BODY_FAULTS, 'unauthenticated', 'forbidden'),
        },
      },
    },
    async (request): Promise<BatchedUsers> => {
      const results = (await app.users.provisionMany(request.body.users)).map(valueOrProblem);
      const items = results.map(
        (result): BatchedUser =>
          result instanceof Problem
            ? problemItem(result, request)
            : { status: result.created ? 201 : 200, user: result.user },
      );
      for (const { first } of problemsIn(results)) app.reportFault(first, request);
      return { items };
    },
  );
};

export default routes;

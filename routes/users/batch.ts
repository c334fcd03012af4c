import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer } from '../../schemas/common.js';
import { type BatchedUser, BatchedUsers, UserBatch } from '../../schemas/user.js';
import { requireRole } from '../../src/access/caller.js';
import { BODY_FAULTS, problemResponses } from '../../src/errors.js';
import { asProblem, problemItem, problemsIn } from '../../src/http/problems.js';

const MAX_BODY_BYTES = 2 ** 20;

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/v1/users/batch',
    {
      onRequest: [app.authenticate, requireRole('server', 'admin')],
      bodyLimit: MAX_BODY_BYTES,
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
      const outcomes = await app.users.provisionMany(request.body.users);
      const items = outcomes.map((outcome): BatchedUser => {
        if (outcome.status === 'rejected') return problemItem(asProblem(outcome.reason), request);
        const { user, created } = outcome.value;
        return { status: created ? 201 : 200, user };
      });
      for (const { first } of problemsIn(outcomes)) app.reportFault(first, request);
      return { items };
    },
  );
};

export default routes;

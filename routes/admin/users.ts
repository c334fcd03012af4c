import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer } from '../../schemas/common.js';
import { Judgement, ModeratedUser } from '../../schemas/moderation.js';
import { UserParams } from '../../schemas/user.js';
import { actOf } from '../../src/audit.js';
import { BODY_FAULTS, problemResponses } from '../../src/errors.js';

const common = { tags: ['Admin'], security: [{ bearer: [] }] };

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/users/:id/ban',
    {
      schema: {
        ...common,
        operationId: 'banUser',
        summary: 'Ban a user',
        description:
          'The user may still read but not score, on any instance. Its scores stay until they are voided.',
        params: UserParams,
        body: Judgement,
        response: {
          200: answer(ModeratedUser),
          ...problemResponses(...BODY_FAULTS, 'unauthenticated', 'forbidden', 'not-found'),
        },
      },
    },
    (request) => app.moderation.ban(request.params.id, actOf(request)),
  );

  app.post(
    '/users/:id/unban',
    {
      schema: {
        ...common,
        operationId: 'unbanUser',
        summary: 'Let a banned user score again',
        params: UserParams,
        body: Judgement,
        response: {
          200: answer(ModeratedUser),
          ...problemResponses(...BODY_FAULTS, 'unauthenticated', 'forbidden', 'not-found'),
        },
      },
    },
    (request) => app.moderation.unban(request.params.id, actOf(request)),
  );
};

export default routes;

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { ModeratedUserDetails, ModeratedUsers, UsersQuery } from '../../schemas/admin-user.js';
import { answer } from '../../schemas/common.js';
import { Correction, ModeratedUser } from '../../schemas/moderation.js';
import { UserParams } from '../../schemas/user.js';
import { actOf } from '../../src/audit.js';
import { BODY_FAULTS, problemResponses } from '../../src/errors.js';

const common = { tags: ['Admin'], security: [{ bearer: [] }] };

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/users',
    {
      config: { scope: 'users:read' },
      schema: {
        ...common,
        operationId: 'listUsers',
        summary: 'Users, by name or the newest first',
        description:
          'The filters are combined. Who was erased is not found any more, but for those who are banned.',
        querystring: UsersQuery,
        response: {
          200: answer(ModeratedUsers),
          ...problemResponses('validation-failed', 'unauthenticated', 'forbidden'),
        },
      },
    },
    async ({ query }) => {
      const { q, externalId, banned } = query;
      const page = await app.cursors.page(
        JSON.stringify(['users', q, externalId, banned]),
        query,
        (limit, after) => app.findUsers(query, limit, after),
        ({ id, key }) => `${id} ${key}`,
      );
      return { ...page, items: page.items.map(({ key, ...user }) => user) };
    },
  );

  app.get(
    '/users/:id',
    {
      config: { scope: 'moderation' },
      schema: {
        ...common,
        operationId: 'getModeratedUser',
        summary: 'A user, its scores, and what was done about it',
        params: UserParams,
        response: {
          200: answer(ModeratedUserDetails),
          ...problemResponses('validation-failed', 'unauthenticated', 'forbidden', 'not-found'),
        },
      },
    },
    (request) => app.userDetails.of(request.params.id),
  );

  app.post(
    '/users/:id/ban',
    {
      config: { scope: 'moderation' },
      schema: {
        ...common,
        operationId: 'banUser',
        summary: 'Ban a user',
        description:
          'The user leaves all boards and streams: at once on the instance that answers, within a second on the others. It may read, but not score, change its name or log in. Its external id and its username stay bound to the ban, also if the user is erased. One who was erased in the last 30 days can be banned too: its external id is refused then, or if it has come back under it, the user that it is now is banned, and is what is returned. In seasons that are final the user keeps its places, unless `amend` is true.',
        params: UserParams,
        body: Correction,
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
      config: { scope: 'moderation' },
      schema: {
        ...common,
        operationId: 'unbanUser',
        summary: 'Lift the ban of a user',
        description:
          'The user is back on its boards, with the scores that the ledger gives it. If it was erased, its external id and its username are free again. In seasons that are final it stays off the boards from which the ban has taken it, unless `amend` is true.',
        params: UserParams,
        body: Correction,
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

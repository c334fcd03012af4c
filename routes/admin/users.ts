import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox';
import {
  ActQuery,
  Ban,
  ModeratedUserDetails,
  ModeratedUsers,
  UserChange,
  UsersQuery,
} from '../../schemas/admin-user.js';
import { answer } from '../../schemas/common.js';
import { Correction, ModeratedUser } from '../../schemas/moderation.js';
import { UserParams } from '../../schemas/user.js';
import { actOf, actOfQuery, audit } from '../../src/audit.js';
import { BODY_FAULTS, problemResponses, UNREAD_BODY_FAULTS } from '../../src/errors.js';

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

  app.patch(
    '/users/:id',
    {
      config: { scope: 'moderation' },
      schema: {
        ...common,
        operationId: 'changeUser',
        summary: 'Name or hide a user',
        description:
          'A name that is given here is locked. Who is hidden is off all boards and streams, at once on the instance that answers and within a second on the others, and may play on: its scores count, it is answered as before but for its ranks, which are null, and it stands where its scores put it when it is no longer hidden. In seasons that are final nothing changes, unless `amend` is true.',
        params: UserParams,
        body: UserChange,
        response: {
          200: answer(ModeratedUser),
          ...problemResponses(...BODY_FAULTS, 'unauthenticated', 'forbidden', 'not-found'),
        },
      },
    },
    async (request) => app.moderation.change(request.params.id, request.body, actOf(request)),
  );

  app.delete(
    '/users/:id',
    {
      config: { scope: 'moderation' },
      schema: {
        ...common,
        operationId: 'eraseUser',
        summary: 'Erase a user',
        description:
          'As the user itself can: its names and sessions are gone before the answer, and it leaves every board. In seasons that are final its places stay, without a name. This cannot be undone.',
        params: UserParams,
        querystring: ActQuery,
        response: {
          204: Type.Null({ description: 'The user is erased.' }),
          ...problemResponses(
            'validation-failed',
            ...UNREAD_BODY_FAULTS,
            'unauthenticated',
            'forbidden',
            'not-found',
          ),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const act = actOfQuery(request);
      await app.userChanges.erase(id, (client) => audit(client, act, 'erase-user', id));
      return reply.code(204).send(null);
    },
  );

  app.delete(
    '/users/:id/sessions',
    {
      config: { scope: 'moderation' },
      schema: {
        ...common,
        operationId: 'endSessions',
        summary: 'End all sessions of a user',
        description:
          'Its access tokens and refresh tokens stop working, within a second on every instance. It may log in again.',
        params: UserParams,
        querystring: ActQuery,
        response: {
          204: Type.Null({ description: 'All its sessions are ended.' }),
          ...problemResponses(
            'validation-failed',
            ...UNREAD_BODY_FAULTS,
            'unauthenticated',
            'forbidden',
            'not-found',
          ),
        },
      },
    },
    async (request, reply) => {
      const { id } = await app.users.get(request.params.id);
      const act = actOfQuery(request);
      await app.sessions.revokeAll(id, (client, sessions) =>
        audit(client, act, 'end-sessions', id, { sessions }),
      );
      return reply.code(204).send(null);
    },
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
          'The user leaves all boards and streams: at once on the instance that answers, within a second on the others. It may read, but not score, change its name or log in. Its external id and its username stay bound to the ban, also if the user is erased. One who was erased in the last 30 days can be banned too: its external id is refused then, or if it has come back under it, the user that it is now is banned, and is what is returned. In seasons that are final the user keeps its places, unless `amend` is true. With `until` the ban ends by itself, within seconds of that time. To ban again gives the ban another end.',
        params: UserParams,
        body: Ban,
        response: {
          200: answer(ModeratedUser),
          ...problemResponses(...BODY_FAULTS, 'unauthenticated', 'forbidden', 'not-found'),
        },
      },
    },
    (request) => app.moderation.ban(request.params.id, actOf(request), request.body.until),
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

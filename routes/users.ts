import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox';
import { answer } from '../schemas/common.js';
import { Session } from '../schemas/session.js';
import {
  Credentials,
  HistoryQuery,
  NewUser,
  PublicUser,
  Renaming,
  ScoreEvents,
  User,
  UserParams,
  UserQuery,
} from '../schemas/user.js';
import { requireUser } from '../src/access/caller.js';
import { BODY_FAULTS, Problem, problemResponses, UNREAD_BODY_FAULTS } from '../src/errors.js';

const security = [{ bearer: [] }];

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const user = { onRequest: [app.authenticate, requireUser] };
  const gameServer = { config: { scope: 'users:write' } } as const;

  app.get(
    '/v1/users/me',
    {
      ...user,
      schema: {
        operationId: 'getMe',
        summary: 'My user',
        tags: ['Users'],
        security,
        response: { 200: answer(User), ...problemResponses('unauthenticated', 'forbidden', 'not-found') },
      },
    },
    (request) => app.users.get(request.user.id),
  );

  app.patch(
    '/v1/users/me',
    {
      ...user,
      schema: {
        operationId: 'renameMe',
        summary: 'Change my display name',
        tags: ['Users'],
        security,
        body: Renaming,
        response: {
          200: answer(User),
          ...problemResponses(
            ...BODY_FAULTS,
            'unauthenticated',
            'forbidden',
            'user-banned',
            'name-locked',
            'not-found',
          ),
        },
      },
    },
    (request) => app.userChanges.rename(request.user.id, request.body.displayName),
  );

  app.post(
    '/v1/users/me/credentials',
    {
      ...user,
      config: { limit: 'auth' },
      schema: {
        operationId: 'addMyCredentials',
        summary: 'Turn my guest account into a full one',
        description: 'A guest gets a username and a password, and keeps its scores.',
        tags: ['Users'],
        security,
        body: Credentials,
        response: {
          200: answer(User),
          ...problemResponses(
            ...BODY_FAULTS,
            'unauthenticated',
            'forbidden',
            'user-banned',
            'not-found',
            'username-taken',
          ),
        },
      },
    },
    (request) => app.users.addCredentials(request.user.id, request.body),
  );

  app.delete(
    '/v1/users/me',
    {
      ...user,
      schema: {
        operationId: 'eraseMe',
        summary: 'Erase my user',
        description:
          'Erases the names, ends all sessions and removes the user from every board: at once on the instance that answers, within a second on the others; in seasons that are final its places stay, without a name. What was sent with its scores is erased within the next minutes.',
        tags: ['Users'],
        security,
        response: {
          204: Type.Null({ description: 'The user is erased.' }),
          ...problemResponses(...UNREAD_BODY_FAULTS, 'unauthenticated', 'forbidden'),
        },
      },
    },
    async (request, reply) => {
      await app.userChanges.erase(request.user.id);
      return reply.code(204).send(null);
    },
  );

  app.get(
    '/v1/users/me/events',
    {
      ...user,
      schema: {
        operationId: 'listMyEvents',
        summary: 'My score history, newest first',
        tags: ['Users'],
        security,
        querystring: HistoryQuery,
        response: {
          200: answer(ScoreEvents),
          ...problemResponses('validation-failed', 'unauthenticated', 'forbidden'),
        },
      },
    },
    async ({ user: { id }, query }) =>
      app.cursors.page(
        `history ${id}`,
        query,
        (limit, before) => app.users.history(id, limit, before),
        ({ eventId }) => eventId,
      ),
  );

  app.post(
    '/v1/users',
    {
      ...gameServer,
      schema: {
        operationId: 'createUser',
        summary: 'Register a player of your own system',
        description:
          'Creates a user, or returns the one with this `externalId`, with the new name if `rename` is true. The `externalId` of a banned user is refused, also if the user was erased.',
        tags: ['Users'],
        security,
        body: NewUser,
        response: {
          200: { description: 'The existing user with this `externalId`.', ...answer(User) },
          201: answer(User),
          ...problemResponses(...BODY_FAULTS, 'unauthenticated', 'forbidden', 'user-banned', 'name-locked'),
        },
      },
    },
    async (request, reply) => {
      const { displayName, externalId, rename } = request.body;
      const { user: found, created } = await app.users.provision(displayName, externalId);
      if (created || rename !== true || found.displayName === displayName)
        return reply.code(created ? 201 : 200).send(found);
      return reply.code(200).send(await app.userChanges.rename(found.id, displayName));
    },
  );

  app.get(
    '/v1/users',
    {
      config: { scope: 'users:read' },
      schema: {
        operationId: 'findUser',
        summary: 'The user with an id of your own system',
        description: 'Nothing is written. A user that is banned is found too.',
        tags: ['Users'],
        querystring: UserQuery,
        response: {
          200: answer(User),
          ...problemResponses('validation-failed', 'unauthenticated', 'forbidden', 'not-found'),
        },
      },
    },
    async ({ query: { externalId } }) => {
      const found = (await app.users.withExternalIds([externalId])).get(externalId);
      if (found === undefined) throw new Problem('not-found', 'There is no user with this externalId.');
      return found;
    },
  );

  app.patch(
    '/v1/users/:id',
    {
      ...gameServer,
      schema: {
        operationId: 'renameUser',
        summary: 'Change the display name of a player',
        description: 'A name that administrators have given or locked stays.',
        tags: ['Users'],
        params: UserParams,
        body: Renaming,
        response: {
          200: answer(User),
          ...problemResponses(
            ...BODY_FAULTS,
            'unauthenticated',
            'forbidden',
            'user-banned',
            'not-found',
            'name-locked',
          ),
        },
      },
    },
    (request) => app.userChanges.rename(request.params.id, request.body.displayName),
  );

  app.post(
    '/v1/users/:id/sessions',
    {
      ...gameServer,
      schema: {
        operationId: 'openSession',
        summary: 'Open a session for a player whom your own system has logged in',
        tags: ['Users'],
        security,
        params: UserParams,
        response: {
          201: answer(Session),
          ...problemResponses(...BODY_FAULTS, 'unauthenticated', 'forbidden', 'user-banned', 'not-found'),
        },
      },
    },
    async (request, reply) => {
      return reply.code(201).send(await app.logins.openForPlayer(request.params.id));
    },
  );

  app.get(
    '/v1/users/:id',
    {
      schema: {
        operationId: 'getUser',
        summary: 'A user',
        tags: ['Users'],
        security: [],
        params: UserParams,
        response: { 200: answer(PublicUser), ...problemResponses('validation-failed', 'not-found') },
      },
    },
    async (request) => {
      const { id, displayName, createdAt } = await app.users.get(request.params.id);
      return { id, displayName, createdAt };
    },
  );
};

export default routes;

import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox';
import { AdminLogin, AdminSession } from '../../schemas/administrator.js';
import { answer } from '../../schemas/common.js';
import { BODY_FAULTS, Problem, problemResponses, UNREAD_BODY_FAULTS } from '../../src/errors.js';
import { cookieOf, requireSameOrigin, tokenIn } from '../../src/http/admin-cookie.js';
import { clientOf, networkOf } from '../../src/http/network.js';

const PATH = '/session';
const security = [{ session: [] }];

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    PATH,
    {
      // Who logs in has no scope yet.
      config: { scope: null, limit: 'auth' },
      schema: {
        operationId: 'logInAdministrator',
        summary: 'Log in as a person',
        description:
          'For the console: the session is in a cookie, which works under /v1/admin alone, only with the `csrfToken` as `x-csrf-token`, and not from other sites. It ends after 12 hours, or 30 minutes without a request. A code or a recovery code counts once. After five failed attempts the name must wait, as at `/v1/auth/login`.',
        tags: ['Admin'],
        security: [],
        body: AdminLogin,
        response: {
          201: answer(AdminSession),
          ...problemResponses(...BODY_FAULTS, 'invalid-credentials', 'forbidden'),
        },
      },
    },
    async (request, reply) => {
      requireSameOrigin(request);
      const token = await app.adminSessions.logIn(request.body, networkOf(clientOf(request)));
      const session = await app.adminSessions.find(token);
      if (session === null) throw new Problem('invalid-credentials', 'The account was disabled just now.');
      request.log.info({ userId: session.id, data: { name: session.name } }, 'Administrator logged in');
      return reply.code(201).header('set-cookie', cookieOf(request, token)).send(session);
    },
  );

  app.get(
    PATH,
    {
      config: { scope: null },
      schema: {
        operationId: 'getAdminSession',
        summary: 'Who I am, as a person',
        description:
          'For a page that was loaded again: this alone needs no `x-csrf-token`, and answers with it.',
        tags: ['Admin'],
        security,
        response: { 200: answer(AdminSession), ...problemResponses('unauthenticated', 'forbidden') },
      },
    },
    (request, reply) => app.adminSession(request, reply, true),
  );

  app.delete(
    PATH,
    {
      config: { scope: null },
      schema: {
        operationId: 'logOutAdministrator',
        summary: 'Log out as a person',
        tags: ['Admin'],
        security,
        response: {
          204: Type.Null({ description: 'The session has ended.' }),
          ...problemResponses(...UNREAD_BODY_FAULTS, 'unauthenticated', 'forbidden'),
        },
      },
    },
    async (request, reply) => {
      await app.adminSession(request, reply);
      await app.adminSessions.end(tokenIn(request) ?? '');
      return reply.code(204).header('set-cookie', cookieOf(request, null)).send(null);
    },
  );
};

export default routes;

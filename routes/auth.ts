import {
  type FastifyPluginAsyncTypebox,
  Type,
  type TypeBoxTypeProvider,
} from '@fastify/type-provider-typebox';
import { answer } from '../schemas/common.js';
import {
  ClientCredentials,
  GuestRequest,
  LoginRequest,
  RefreshRequest,
  Registration,
  ServiceToken,
  Session,
} from '../schemas/session.js';
import { requireUser } from '../src/access/caller.js';
import { basicCredentials, isBasic, oauthError, tokenRequest } from '../src/access/oauth.js';
import {
  BODY_FAULTS,
  invalid,
  oauthProblemResponses,
  Problem,
  problemResponses,
  UNREAD_BODY_FAULTS,
} from '../src/errors.js';
import { parseForm } from '../src/http/bodies.js';
import { clientOf, networkOf } from '../src/http/network.js';

const TOKEN_PARAMETERS = Object.keys(ClientCredentials.properties);

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/v1/auth/guest',
    {
      config: { limit: 'auth' },
      schema: {
        operationId: 'createGuest',
        summary: 'Play at once, as a guest',
        description: 'Creates a guest, who can play at once. A username and a password can be added later.',
        tags: ['Auth'],
        security: [],
        body: GuestRequest,
        response: { 201: answer(Session), ...problemResponses(...BODY_FAULTS) },
      },
    },
    async (request, reply) => {
      const user = await app.users.createGuest(request.body.displayName);
      return reply.code(201).send(await app.logins.open(user));
    },
  );

  app.post(
    '/v1/auth/register',
    {
      config: { limit: 'auth' },
      schema: {
        operationId: 'register',
        summary: 'Create an account',
        tags: ['Auth'],
        security: [],
        body: Registration,
        response: { 201: answer(Session), ...problemResponses(...BODY_FAULTS, 'username-taken') },
      },
    },
    async (request, reply) => {
      const { displayName, ...credentials } = request.body;
      const user = await app.users.register(credentials, displayName);
      return reply.code(201).send(await app.logins.open(user));
    },
  );

  app.post(
    '/v1/auth/login',
    {
      config: { limit: 'auth' },
      schema: {
        operationId: 'login',
        summary: 'Log in with a password',
        description:
          'After five failed attempts the account must wait, twice as long after each further one, up to 15 minutes: 429 with `Retry-After`.',
        tags: ['Auth'],
        security: [],
        body: LoginRequest,
        response: {
          200: answer(Session),
          ...problemResponses(...BODY_FAULTS, 'invalid-credentials', 'user-banned'),
        },
      },
    },
    async (request) => app.logins.logIn(request.body, networkOf(clientOf(request))),
  );

  app.post(
    '/v1/auth/refresh',
    {
      config: { limit: 'auth' },
      schema: {
        operationId: 'refreshSession',
        summary: 'Exchange a refresh token for a new session',
        description:
          'The refresh token is rotated at each use. If the response is lost, send the same one again: for 30 s it gets the same new one, as long as that was not used. A later second use revokes the whole session.',
        tags: ['Auth'],
        security: [],
        body: RefreshRequest,
        response: {
          200: answer(Session),
          ...problemResponses(...BODY_FAULTS, 'refresh-token-invalid', 'refresh-token-reused', 'user-banned'),
        },
      },
    },
    async (request) => app.logins.refresh(request.body.refreshToken),
  );

  app.post(
    '/v1/auth/logout',
    {
      onRequest: [app.authenticate, requireUser],
      schema: {
        operationId: 'logout',
        summary: 'Log out',
        description: 'The session and its access tokens stop working at once, on every instance.',
        tags: ['Auth'],
        security: [{ bearer: [] }],
        response: {
          204: Type.Null({ description: 'The session has ended.' }),
          ...problemResponses(...UNREAD_BODY_FAULTS, 'unauthenticated', 'forbidden'),
        },
      },
    },
    async (request, reply) => {
      const { id, sessionId } = request.user;
      if (sessionId !== null) await app.sessions.revoke(sessionId, id);
      return reply.code(204).send(null);
    },
  );

  app.register(async (oauth) => {
    oauth.addContentTypeParser<Buffer>(
      'application/x-www-form-urlencoded',
      { parseAs: 'buffer' },
      ({ headers }, body, done) => done(null, tokenRequest(parseForm(body, headers), TOKEN_PARAMETERS)),
    );
    oauth.addHook('preSerialization', async (request, reply, payload) => {
      if (reply.problem === null || typeof payload !== 'object') return payload;
      if (reply.statusCode === 401 && isBasic(request.headers.authorization))
        reply.header('www-authenticate', 'Basic realm="scoreboard-api", charset="UTF-8"');
      return { ...payload, ...oauthError(reply.problem) };
    });
    oauth.withTypeProvider<TypeBoxTypeProvider>().post(
      '/v1/auth/token',
      {
        config: { limit: 'auth' },
        schema: {
          operationId: 'issueAccessToken',
          summary: 'Get an access token for a service account',
          description:
            'The OAuth 2.0 client-credentials grant, RFC 6749 section 4.4. Parameters that are not known are ignored. A JSON object with the same parameters is accepted too.',
          tags: ['Auth'],
          security: [{ basic: [] }, {}],
          // A body of two kinds is more than generators of clients can read.
          consumes: ['application/x-www-form-urlencoded'],
          body: ClientCredentials,
          response: {
            200: answer(ServiceToken),
            ...oauthProblemResponses(...BODY_FAULTS, 'invalid-credentials'),
          },
        },
      },
      async (request) => {
        const { client_id, client_secret } = request.body;
        const basic = basicCredentials(request.headers.authorization);
        if (basic !== undefined && client_secret !== undefined)
          throw invalid('/client_secret', 'must not be sent beside HTTP Basic credentials');
        const [id, secret] = basic ?? [client_id, client_secret];
        const claims = id && secret ? await app.serviceAccounts.authenticate(id, secret) : null;
        if (claims === null)
          throw new Problem('invalid-credentials', 'Unknown service account or wrong secret.');
        const { token, expiresIn } = app.accessTokens.issue(claims);
        return { access_token: token, token_type: 'Bearer' as const, expires_in: expiresIn };
      },
    );
  });
};

export default routes;

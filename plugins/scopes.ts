import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Scope } from '../schemas/scope.js';
import { requireScope } from '../src/access/caller.js';
import { tokenIn } from '../src/http/admin-cookie.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the caller must be allowed. Null says that a route of administration is for everybody. */
    scope?: Scope | null;
  }
}

const ADMINISTRATION = '/v1/admin/';

/** Lets a request pass only if its caller has the scope that the route declares, and has the OpenAPI document say it. */
export default fp(
  async (app) => {
    app.addHook('onRoute', (route) => {
      const scope = route.config?.scope;
      if (scope === undefined && route.url.startsWith(ADMINISTRATION))
        throw new Error(`${route.method} ${route.url} declares no scope`);
      if (!scope || route.method === 'HEAD') return;
      const { description = '' } = route.schema ?? {};
      route.schema = {
        ...route.schema,
        security: [{ bearer: [scope] }],
        description: `${description} Needs the scope \`${scope}\`.`.trim(),
      };
    });
    const authenticatePerson = async (request: FastifyRequest, reply: FastifyReply) => {
      const { id, scopes } = await app.adminSession(request, reply);
      request.user = { id, scopes, sessionId: null };
    };
    app.addHook('onRequest', (request, reply, done) => {
      const { scope } = request.routeOptions.config;
      if (!scope || app.isTakenForAnother(request)) {
        done();
        return;
      }
      const isOfPerson =
        request.headers.authorization === undefined &&
        request.routeOptions.url?.startsWith(ADMINISTRATION) &&
        tokenIn(request) !== undefined;
      (isOfPerson ? authenticatePerson(request, reply) : app.authenticate(request, reply))
        .then(() => requireScope(request.user, scope))
        .then(() => done(), done);
    });
  },
  { name: 'scopes', dependencies: ['auth', 'administrators', 'openapi', 'unrouted'], fastify: '5.x' },
);

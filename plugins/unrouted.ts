import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { Problem } from '../src/errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether the router takes a pattern that a path fits, as the path of its own does not have the method: that is a 405. */
    isTakenForAnother(request: FastifyRequest): boolean;
  }
}

/** The route with which @fastify/cors takes the preflights of all paths. */
const PREFLIGHTS = '*';

/**
 * Answers what no route takes before anything about its body is looked at: an unknown path with 404, a known one with 405 and the
 * methods that it has, which OPTIONS asks for. It is counted like any other request.
 */
export default fp(
  async (app) => {
    const methods = new Map<string, { readonly pattern: RegExp; readonly names: Set<string> }>();
    app.addHook('onRoute', ({ url, method, routePath }) => {
      if (url === PREFLIGHTS) return;
      // Of the two paths of a folder, with a slash at the end and without, Fastify tells the second only.
      const pattern = patternOf(url, routePath === '' ? '/?' : '');
      const path = methods.get(url) ?? { pattern, names: new Set() };
      for (const name of [method].flat()) path.names.add(name);
      methods.set(url, path);
    });
    /** `/v1/users/batch` is no `/v1/users/:id`: a path of its own has only its own methods, as in the router. */
    const allowed = (path: string) => {
      const fitting = [...methods].filter(([, { pattern }]) => pattern.test(path));
      const own = methods.has(path) ? fitting.filter(([url]) => !url.includes(':')) : fitting;
      return new Set(own.flatMap(([, { names }]) => [...names]));
    };

    // Of a file, or whatever else a route looks for.
    app.setNotFoundHandler(async ({ method, url }) => {
      throw new Problem('not-found', `There is no ${method} ${url.split('?')[0]}.`);
    });
    app.decorate('isTakenForAnother', ({ url, routeOptions }: FastifyRequest) => {
      const [path = ''] = url.split('?');
      return routeOptions.url?.includes(':') === true && routeOptions.url !== path && methods.has(path);
    });
    app.addHook('preParsing', (request, reply, payload, done) => {
      const { method, is404, routeOptions } = request;
      const isPreflights = routeOptions.url === PREFLIGHTS;
      const [path = ''] = request.url.split('?');
      if (!is404 && !isPreflights && !app.isTakenForAnother(request)) {
        done(null, payload);
        return;
      }
      const names = allowed(decodeURI(path));
      const allow = [...names, 'OPTIONS'].sort().join(', ');
      if (names.size > 0 && method === 'OPTIONS') reply.code(204).header('allow', allow).send();
      // A browser that asks whether it may ask is told so, and then sees the 404.
      else if (isPreflights && request.headers['access-control-request-method'] !== undefined)
        done(null, payload);
      else if (names.size > 0)
        done(new Problem('method-not-allowed', `${path} has no ${method}, but ${allow}.`, { allow }));
      else done(new Problem('not-found', `There is no ${method} ${path}.`));
    });
  },
  { name: 'unrouted', dependencies: ['rate-limit', 'browsers'], fastify: '5.x' },
);

/** `/v1/users/:id` → all paths that this route takes. */
const patternOf = (url: string, end: string): RegExp =>
  new RegExp(
    `^${url
      .replaceAll('.', '\\.')
      .replaceAll(/:[^/]+/g, '[^/]+')
      .replaceAll('*', '.*')}${end}$`,
  );

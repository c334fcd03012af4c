import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import cors from '@fastify/cors';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import helmet, { type HelmetOptions } from 'helmet';
import type { AppConfig } from '../src/config.js';

type Headers = Readonly<Record<string, string>>;
type Rules = Pick<HelmetOptions, 'contentSecurityPolicy' | 'crossOriginResourcePolicy'>;

declare module 'fastify' {
  interface RouteShorthandOptions {
    /** Rules of this route in place of those for answers of the API; what it does not name stays. */
    helmet?: Rules;
  }
  interface FastifyContextConfig {
    /** What the rules of a route come to. */
    rules?: Headers;
  }
  interface FastifyInstance {
    /** Of an answer that no hook sees. */
    headersForBrowsers(request: FastifyRequest): Headers;
  }
}

/** What a page's script may read beside the body. */
const EXPOSED = [
  'ETag',
  'Retry-After',
  'WWW-Authenticate',
  'X-Request-Id',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
].join(', ');
/** How long a browser need not ask again, in seconds; none remembers it for longer. */
const PREFLIGHT_LASTS = 86_400;
/** For answers of the API, which are no pages. */
const RULES: Rules = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  },
};

/**
 * What browsers are told: which pages may call the service, and that an answer is data, not a page. A route that answers
 * with a page, or a script for other sites, says so with its own option `helmet`.
 */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const origins = config.CORS_ORIGINS;
    const anyOrigin = origins.includes('*');
    const always = headersOf({});
    app.addHook('onRoute', (route) => {
      if (route.helmet !== undefined) route.config = { ...route.config, rules: headersOf(route.helmet) };
    });
    app.addHook('onRequest', (request, reply, done) => {
      reply.headers(request.routeOptions.config.rules ?? always);
      done();
    });
    if (origins.length > 0) {
      await app.register(cors, {
        origin: anyOrigin ? '*' : origins,
        methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
        allowedHeaders: ['Authorization', 'Content-Type', 'If-None-Match', 'Last-Event-ID', 'X-Request-Id'],
        exposedHeaders: EXPOSED,
        maxAge: PREFLIGHT_LASTS,
        // Goes its way like any other request, and is counted.
        preflightContinue: true,
        // Else an OPTIONS that is no preflight would be answered in plain text.
        strictPreflight: false,
      });
    }
    app.decorate('headersForBrowsers', ({ headers: { origin = '' } }: FastifyRequest) => {
      const allowed = anyOrigin ? '*' : origins.find((known) => known === origin);
      return {
        ...always,
        ...(!anyOrigin && origins.length > 0 && { vary: 'Origin' }),
        ...(allowed !== undefined && {
          'access-control-allow-origin': allowed,
          'access-control-expose-headers': EXPOSED,
        }),
      };
    });
  },
  { name: 'browsers', dependencies: ['problem-details'], fastify: '5.x' },
);

/** The headers that helmet sets: once for each route, where @fastify/helmet would work them out for each request. */
function headersOf(rules: Rules): Headers {
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  helmet({ ...RULES, ...rules, xFrameOptions: { action: 'deny' } })(response.req, response, () => {});
  return Object.fromEntries(
    Object.entries(response.getHeaders()).map(([name, value]) => [name, String(value)]),
  );
}

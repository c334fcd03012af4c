import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { AppConfig } from '../src/config.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Of an answer that no hook sees. */
    headersForBrowsers(request: FastifyRequest): Record<string, string>;
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

/**
 * What browsers are told: which pages may call the service, and that an answer is data, not a page. A route that answers
 * with a page, or a script for other sites, says so with its own option `helmet`.
 */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const origins = config.CORS_ORIGINS;
    const anyOrigin = origins.includes('*');
    await app.register(helmet, {
      contentSecurityPolicy: {
        useDefaults: false,
        directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
      },
      xFrameOptions: { action: 'deny' },
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
        'content-security-policy': "default-src 'none';frame-ancestors 'none'",
        'x-content-type-options': 'nosniff',
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

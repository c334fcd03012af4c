import cors from '@fastify/cors';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { AppConfig } from '../src/config.js';
import {
  type BrowserRules,
  corsHeaders,
  dataHeaders,
  EXPOSED_HEADERS,
  type Headers,
  pageHeaders,
} from '../src/http/browser-headers.js';

declare module 'fastify' {
  interface RouteShorthandOptions {
    /** Rules of this route in place of those for answers of the API; what it does not name stays. */
    helmet?: BrowserRules;
  }
  interface FastifyContextConfig {
    /** The headers that the rules of a route come to. */
    securityHeaders?: Headers;
  }
  interface FastifyInstance {
    /** The headers of an answer that no hook sees. */
    headersForBrowsers(request: FastifyRequest): Headers;
  }
}

/** How long a browser need not ask again, in seconds; none remembers it for longer. */
const PREFLIGHT_LASTS = 86_400;

/** What pages send: also what reconnecting streams send, and tools that trace requests. */
const ALLOWED_HEADERS = [
  ...['Authorization', 'Cache-Control', 'Content-Type', 'If-None-Match', 'Last-Event-ID', 'X-Request-Id'],
  ...['traceparent', 'tracestate', 'baggage', 'sentry-trace'],
];

/**
 * Tells browsers which pages may call the service, and that an answer is data, not a page. A route that answers with a page, or
 * with a script for other sites, says so in its option `helmet`.
 */
export default fp<{ config: AppConfig }>(
  async (app, { config: { CORS_ORIGINS: origins } }) => {
    // An answer is for its caller alone; what may be kept says so.
    const always = { ...dataHeaders(), 'cache-control': 'no-store' };
    app.addHook('onRoute', (route) => {
      if (route.helmet !== undefined)
        route.config = { ...route.config, securityHeaders: pageHeaders(route.helmet) };
    });
    app.addHook('onRequest', (request, reply, done) => {
      reply.headers(request.routeOptions.config.securityHeaders ?? always);
      done();
    });
    app.decorate('headersForBrowsers', ({ headers: { origin } }: FastifyRequest) => ({
      ...always,
      ...corsHeaders(origins, origin),
    }));
    if (origins.length === 0) return;
    await app.register(cors, {
      origin: origins.includes('*') ? '*' : origins,
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      allowedHeaders: ALLOWED_HEADERS,
      exposedHeaders: EXPOSED_HEADERS,
      maxAge: PREFLIGHT_LASTS,
      // A preflight is handled like any other request, and counted.
      preflightContinue: true,
      // Otherwise an OPTIONS that is no preflight would be answered in plain text.
      strictPreflight: false,
    });
  },
  { name: 'browsers', dependencies: ['problem-details'], fastify: '5.x' },
);

import swaggerUi from '@fastify/swagger-ui';
import type { FastifyPluginAsync } from 'fastify';
import { pageHeaders } from '../src/http/browser-headers.js';

/** What the page may load: itself, and the answers of the service. Its code sets styles in the text of elements. */
const DOCS_POLICY = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self' 'unsafe-inline'",
  'img-src': "'self' data:",
  'font-src': "'self'",
  'connect-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
};

const HEADERS = pageHeaders({});

/** The OpenAPI document as a page, at `/docs`. */
const routes: FastifyPluginAsync = async (app) => {
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    uiConfig: { persistAuthorization: true },
    staticCSP: DOCS_POLICY,
    uiHooks: {
      onRequest: (_request, reply, done) => {
        reply.headers(HEADERS);
        done();
      },
    },
  });
};

export default routes;

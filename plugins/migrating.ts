import fp from 'fastify-plugin';
import type { AppConfig } from '../src/config.js';
import { Problem } from '../src/errors.js';

/** Clients should ask again after this, in seconds. */
const RETRY_AFTER_S = 5;
/** Connections that are open so long after the end are closed: their clients have nothing more to ask here. */
const LINGER_MS = 50;

/** While the database is being migrated, the process shows that it lives and is not ready, and refuses everything else. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    app.decorate('databaseCheck', async () => 'error');
    app.decorate('redisCheck', async () =>
      config.REDIS_MODE === 'off' ? 'disabled' : app.redis.status === 'ready' ? 'ok' : 'error',
    );
    app.decorate('takesRequests', false);
    app.addHook('onRequest', (request, reply, done) => {
      // The next request is for the service itself.
      reply.header('connection', 'close');
      if (request.routeOptions.url?.startsWith('/health')) done();
      else
        done(
          new Problem('service-unavailable', 'The database is being prepared for this version. Try again.', {
            retryAfter: RETRY_AFTER_S,
          }),
        );
    });
    app.addHook('preClose', async () => {
      setTimeout(() => app.server.closeAllConnections(), LINGER_MS).unref();
    });
  },
  { name: 'migrating', dependencies: ['problem-details'], fastify: '5.x' },
);

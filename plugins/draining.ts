import fp from 'fastify-plugin';
import { Problem } from '../src/errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** True from the moment the service begins to shut down. */
    readonly draining: boolean;
  }
}

/** While the service shuts down it finishes what is under way and refuses what is new. */
export default fp(
  async (app) => {
    let draining = false;
    app.decorate('draining', { getter: () => draining });
    app.addHook('preClose', async () => {
      draining = true;
    });
    app.addHook('onRequest', async (request) => {
      if (draining && request.routeOptions.url !== '/health') {
        throw new Problem(
          'service-unavailable',
          'The service is shutting down. Another instance will answer.',
        );
      }
    });
  },
  { name: 'draining', dependencies: ['problem-details'], fastify: '5.x' },
);

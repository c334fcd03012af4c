import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer } from '../schemas/common.js';
import { Health, Liveness } from '../schemas/service.js';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.onScrape(async () => {
    const [database, redis] = await Promise.all([app.databaseCheck(), app.redisCheck()]);
    app.measured.healthCheck.set({ check: 'database' }, database === 'ok' ? 1 : 0);
    if (redis !== 'disabled') app.measured.healthCheck.set({ check: 'redis' }, redis === 'ok' ? 1 : 0);
  });

  app.get(
    '/health',
    {
      config: { limit: 'none' },
      schema: {
        operationId: 'getHealth',
        summary: 'Check PostgreSQL and Redis',
        tags: ['Service'],
        security: [],
        response: {
          200: {
            ...answer(Health),
            description: 'PostgreSQL takes writes and notifies this instance, and Redis is available.',
          },
          503: {
            ...answer(Health),
            description:
              'PostgreSQL or Redis is unavailable, PostgreSQL is read-only, its disk is full or its notifications do not arrive, or the service is shutting down.',
          },
        },
      },
    },
    async (_request, reply) => {
      const [database, redis] = await Promise.all([app.databaseCheck(), app.redisCheck()]);
      const ok = database === 'ok' && redis !== 'error' && !app.draining;
      reply.code(ok ? 200 : 503);
      return {
        status: ok ? ('ok' as const) : ('degraded' as const),
        checks: { database, redis },
      };
    },
  );

  app.get(
    '/health/live',
    {
      config: { limit: 'none' },
      schema: {
        operationId: 'getLiveness',
        summary: 'Check that the process runs',
        tags: ['Service'],
        security: [],
        response: { 200: answer(Liveness) },
      },
    },
    async () => ({ status: 'ok' as const }),
  );
};

export default routes;

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer } from '../schemas/common.js';
import { Health, Liveness } from '../schemas/service.js';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.onScrape(async () => {
    const [database, redis] = await Promise.all([app.databaseAnswers(), app.redisCheck()]);
    app.measured.healthCheck.set({ check: 'database' }, database ? 1 : 0);
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
          200: { ...answer(Health), description: 'PostgreSQL and Redis are available.' },
          503: {
            ...answer(Health),
            description: 'PostgreSQL or Redis is unavailable, or the service is shutting down.',
          },
        },
      },
    },
    async (_request, reply) => {
      const [database, redis] = await Promise.all([app.databaseAnswers(), app.redisCheck()]);
      const ok = database && redis !== 'error' && !app.draining;
      reply.code(ok ? 200 : 503);
      return {
        status: ok ? ('ok' as const) : ('degraded' as const),
        checks: { database: database ? ('ok' as const) : ('error' as const), redis },
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

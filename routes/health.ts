import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Static } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { answer } from '../schemas/common.js';
import { Health, Liveness, Readiness } from '../schemas/service.js';

/** What every process of the instance reports of itself. */
const OwnChecks = Health.properties.checks;
type OwnChecks = Static<typeof OwnChecks>;

/** An instance is as well as the worst of its processes; one that is just starting reports nothing. */
const worstOf = (checks: readonly OwnChecks[]): OwnChecks => ({
  database: checks.every(({ database }) => database === 'ok') ? 'ok' : 'error',
  redis: checks.find(({ redis }) => redis === 'error')?.redis ?? checks[0]?.redis ?? 'error',
});

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const ownChecks = async (): Promise<OwnChecks> => {
    const [database, redis] = await Promise.all([app.databaseCheck(), app.redisCheck()]);
    return { database, redis };
  };
  app.shared.report('health', ownChecks);

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
      // A process that does not answer is not well, whatever the others say.
      const reports = await app.shared.reports('health').catch(() => undefined);
      const checks = reports?.filter((report) => Value.Check(OwnChecks, report)) ?? [await ownChecks()];
      const { database, redis } = worstOf(checks);
      const ok = reports !== undefined && database === 'ok' && redis !== 'error' && app.takesRequests;
      reply.code(ok ? 200 : 503);
      return {
        status: ok ? ('ok' as const) : ('degraded' as const),
        checks: { database, redis },
      };
    },
  );

  app.get(
    '/health/ready',
    {
      config: { limit: 'none' },
      schema: {
        operationId: 'getReadiness',
        summary: 'Check that this instance takes requests',
        description:
          'Whatever the state of PostgreSQL and Redis: if they are away, another instance is no better.',
        tags: ['Service'],
        security: [],
        response: {
          200: { ...answer(Readiness), description: 'This instance takes requests.' },
          503: {
            ...answer(Readiness),
            description: 'This instance waits for a migration of its database, or is shutting down.',
          },
        },
      },
    },
    async (_request, reply) => {
      reply.code(app.takesRequests ? 200 : 503);
      return { status: app.takesRequests ? ('ok' as const) : ('unavailable' as const) };
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

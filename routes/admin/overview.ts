import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer } from '../../schemas/common.js';
import { Overview } from '../../schemas/overview.js';
import { instant } from '../../src/clock.js';
import { problemResponses } from '../../src/errors.js';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/overview',
    {
      config: { scope: 'read' },
      schema: {
        tags: ['Admin'],
        security: [{ bearer: [] }],
        operationId: 'getOverview',
        summary: 'How things are',
        description:
          'For a page that people look at: what was scored lately on all instances, what waits for them, and how the instance is that has answered. Monitoring reads `/metrics`.',
        response: { 200: answer(Overview), ...problemResponses('unauthenticated', 'forbidden') },
      },
    },
    async () => {
      const [activity, instance, database, redis] = await Promise.all([
        app.recentActivity.read(),
        app.instanceReport(),
        app.databaseCheck(),
        app.redisCheck(),
      ]);
      return { now: instant(), checks: { database, redis }, ...activity, instance };
    },
  );
};

export default routes;

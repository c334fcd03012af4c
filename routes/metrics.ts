import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { MetricsText } from '../schemas/service.js';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/metrics',
    {
      config: { limit: 'none' },
      schema: {
        operationId: 'getMetrics',
        summary: 'Metrics',
        description: 'In the text format of Prometheus.',
        tags: ['Service'],
        security: [],
        response: {
          200: {
            description: 'All metrics.',
            content: { 'text/plain': { schema: MetricsText, example: MetricsText.examples[0] } },
          },
        },
      },
    },
    async (_request, reply) => {
      const { contentType, text } = await app.scrape();
      return reply.type(contentType).send(text);
    },
  );
};

export default routes;

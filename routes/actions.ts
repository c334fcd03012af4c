import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Actions } from '../schemas/action.js';
import { answer } from '../schemas/common.js';
import { problemResponses } from '../src/errors.js';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/v1/actions',
    {
      schema: {
        operationId: 'listActions',
        summary: 'All actions',
        tags: ['Actions'],
        security: [],
        response: { 200: answer(Actions), ...problemResponses() },
      },
    },
    async () => ({ items: await app.catalog.actions(), nextCursor: null }),
  );
};

export default routes;

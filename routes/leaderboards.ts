import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer } from '../schemas/common.js';
import { Leaderboard, LeaderboardParams, Leaderboards, LeaderboardsQuery } from '../schemas/leaderboard.js';
import { withEntries, withTotal } from '../src/catalog/with-entries.js';
import { problemResponses } from '../src/errors.js';

const common = { tags: ['Leaderboards'], security: [] };

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/v1/leaderboards',
    {
      schema: {
        ...common,
        operationId: 'listLeaderboards',
        summary: 'Leaderboards by id, page by page',
        description: 'Without hidden leaderboards.',
        querystring: LeaderboardsQuery,
        response: { 200: answer(Leaderboards), ...problemResponses('validation-failed') },
      },
    },
    async ({ query }) => {
      const { items, nextCursor } = await app.cursors.page(
        'leaderboards',
        query,
        (limit, after) => app.catalog.leaderboards(limit, after),
        ({ id }) => id,
      );
      return { items: await withEntries(app.leaderboards, items), nextCursor };
    },
  );

  app.get(
    '/v1/leaderboards/:id',
    {
      schema: {
        ...common,
        operationId: 'getLeaderboard',
        summary: 'One leaderboard',
        params: LeaderboardParams,
        response: { 200: answer(Leaderboard), ...problemResponses('validation-failed', 'not-found') },
      },
    },
    async (request) => withTotal(app.leaderboards, await app.catalog.leaderboard(request.params.id)),
  );
};

export default routes;

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer } from '../schemas/common.js';
import { Leaderboard, LeaderboardParams, Leaderboards } from '../schemas/leaderboard.js';
import { problemResponses } from '../src/errors.js';

const common = { tags: ['Leaderboards'], security: [] };

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const describe = async (id: string): Promise<Leaderboard> => {
    return { ...app.catalog.leaderboard(id), entries: await app.leaderboards.total(id) };
  };

  app.get(
    '/v1/leaderboards',
    {
      schema: {
        ...common,
        summary: 'All leaderboards',
        response: { 200: answer(Leaderboards), ...problemResponses() },
      },
    },
    async () => ({
      items: await Promise.all(app.catalog.leaderboards.map(({ id }) => describe(id))),
      nextCursor: null,
    }),
  );

  app.get(
    '/v1/leaderboards/:id',
    {
      schema: {
        ...common,
        summary: 'One leaderboard',
        params: LeaderboardParams,
        response: { 200: answer(Leaderboard), ...problemResponses('validation-failed', 'not-found') },
      },
    },
    (request) => describe(request.params.id),
  );
};

export default routes;

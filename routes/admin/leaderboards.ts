import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer } from '../../schemas/common.js';
import { Leaderboard, LeaderboardParams, LeaderboardRules } from '../../schemas/leaderboard.js';
import { actOf } from '../../src/audit.js';
import { BODY_FAULTS, problemResponses } from '../../src/errors.js';

const common = { tags: ['Admin'], security: [{ bearer: [] }] };

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.put(
    '/leaderboards/:id',
    {
      schema: {
        ...common,
        summary: 'Create or replace a leaderboard',
        description:
          'Once it has entries, `sort` and `operator` stay as they are. Other instances follow within a second.',
        params: LeaderboardParams,
        body: LeaderboardRules,
        response: {
          200: answer(Leaderboard),
          ...problemResponses(...BODY_FAULTS, 'unauthenticated', 'forbidden', 'leaderboard-in-use'),
        },
      },
    },
    async (request) => {
      const { id } = request.params;
      const { reason: _, ...rules } = request.body;
      await app.catalog.putLeaderboard({ id, ...rules }, actOf(request));
      return { ...app.catalog.leaderboard(id), entries: await app.leaderboards.total(id) };
    },
  );
};

export default routes;

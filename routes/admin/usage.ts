import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer } from '../../schemas/common.js';
import { AdminLeaderboardsQuery } from '../../schemas/leaderboard.js';
import { ActionsUsage, LeaderboardsUsage } from '../../schemas/usage.js';
import { withEntries } from '../../src/catalog/with-entries.js';
import { problemResponses } from '../../src/errors.js';

const common = { tags: ['Admin'], security: [{ bearer: [] }] };

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/leaderboards',
    {
      config: { scope: 'read' },
      schema: {
        ...common,
        operationId: 'listLeaderboardsUsage',
        summary: 'Leaderboards and how they are used',
        description:
          'Also hidden ones: how many entries they have, which actions feed them, and how many events they had lately.',
        querystring: AdminLeaderboardsQuery,
        response: {
          200: answer(LeaderboardsUsage),
          ...problemResponses('validation-failed', 'unauthenticated', 'forbidden'),
        },
      },
    },
    async ({ query }) => {
      const { items, nextCursor } = await app.cursors.page(
        'all leaderboards',
        query,
        (limit, after) => app.catalog.allLeaderboards(limit, after),
        ({ id }) => id,
      );
      const [recent, actions, leaderboards] = await Promise.all([
        app.usage.recent(),
        app.catalog.actions(),
        withEntries(app.leaderboards, items),
      ]);
      return {
        items: leaderboards.map((leaderboard) => ({
          ...leaderboard,
          actions: actions
            .filter((action) => action.leaderboards.includes(leaderboard.id))
            .map(({ id }) => id),
          recentEvents: recent.ofLeaderboard(leaderboard.id),
        })),
        nextCursor,
        since: recent.since,
      };
    },
  );

  app.get(
    '/actions',
    {
      config: { scope: 'read' },
      schema: {
        ...common,
        operationId: 'listActionsUsage',
        summary: 'Actions and how they are used',
        response: { 200: answer(ActionsUsage), ...problemResponses('unauthenticated', 'forbidden') },
      },
    },
    async () => {
      const [recent, actions] = await Promise.all([app.usage.recent(), app.catalog.actions()]);
      const items = actions.map((action) => ({ ...action, recentEvents: recent.ofAction(action.id) }));
      return { items, nextCursor: null, since: recent.since };
    },
  );
};

export default routes;

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer } from '../../schemas/common.js';
import { EntryParams } from '../../schemas/leaderboard.js';
import { Why, WhyQuery } from '../../schemas/why.js';
import { requireScope } from '../../src/access/caller.js';
import { problemResponses } from '../../src/errors.js';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/v1/leaderboards/:id/entries/:userId/why',
    {
      onRequest: app.authenticate,
      schema: {
        operationId: 'explainEntry',
        summary: 'The events that a score is made of',
        description:
          'For the user itself, and with the scope `users:read`. Only with the scope `read` it says which account has issued, released or voided an event, and for what reason.',
        tags: ['Leaderboards'],
        security: [{ bearer: [] }],
        params: EntryParams,
        querystring: WhyQuery,
        response: {
          200: answer(Why),
          ...problemResponses(
            'validation-failed',
            'unauthenticated',
            'forbidden',
            'not-found',
            'season-not-found',
            'season-purged',
          ),
        },
      },
    },
    async ({ params: { id, userId }, query, user }) => {
      if (user.id !== userId) requireScope(user, 'users:read');
      const board = await app.seasons.board(id, query.season);
      const isForAdmin = user.scopes.includes('read');
      const page = await app.cursors.page(
        `why ${board.text} ${userId}`,
        query,
        (limit, before) => app.reasons.events(board, userId, isForAdmin, limit, before),
        ({ eventId }) => eventId,
      );
      const { leaderboard, season } = board;
      return { leaderboard, season, userId, ...(await app.reasons.score(board, userId)), ...page };
    },
  );
};

export default routes;

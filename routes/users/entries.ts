import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer } from '../../schemas/common.js';
import { UserEntries, UserEntriesQuery } from '../../schemas/position.js';
import { UserParams } from '../../schemas/user.js';
import { instant } from '../../src/clock.js';
import { problemResponses } from '../../src/errors.js';
import { formattedBy, writingFor } from '../../src/http/score-writing.js';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/v1/users/:id/entries',
    {
      schema: {
        operationId: 'listEntriesOfUser',
        summary: "A user's entries on all leaderboards",
        description:
          'Those of current seasons, by leaderboard, without hidden leaderboards. `/v1/users/{id}/seasons` lists final places.',
        tags: ['Users'],
        security: [],
        params: UserParams,
        querystring: UserEntriesQuery,
        response: { 200: answer(UserEntries), ...problemResponses('validation-failed', 'not-found') },
      },
    },
    async (request, reply) => {
      const { params, query } = request;
      const { id } = await app.users.get(params.id);
      const page = await app.cursors.page(
        `entries ${id}`,
        query,
        (limit, after) => app.positions.ofUser(id, limit, after),
        ({ leaderboard }) => leaderboard,
      );
      const items = page.items.map(({ unit, ...entry }) => ({
        ...entry,
        ...formattedBy(writingFor(unit, request, reply), entry.score),
      }));
      return { ...page, items, now: instant() };
    },
  );
};

export default routes;

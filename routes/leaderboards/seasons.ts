import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer } from '../../schemas/common.js';
import { LeaderboardParams } from '../../schemas/leaderboard.js';
import { Seasons, SeasonsQuery } from '../../schemas/season.js';
import { instant } from '../../src/clock.js';
import { problemResponses } from '../../src/errors.js';
import { formattedBy, writingFor } from '../../src/http/score-writing.js';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/v1/leaderboards/:id/seasons',
    {
      schema: {
        operationId: 'listSeasons',
        summary: 'The seasons, newest first',
        description:
          'The current season, and those that are over. `?season=` of the reads of entries shows the entries of one.',
        tags: ['Leaderboards'],
        security: [],
        params: LeaderboardParams,
        querystring: SeasonsQuery,
        response: { 200: answer(Seasons), ...problemResponses('validation-failed', 'not-found') },
      },
    },
    async (request, reply) => {
      const {
        params: { id },
        query,
      } = request;
      const page = await app.cursors.page(
        `seasons ${id}`,
        query,
        (limit, before) => app.seasons.page(id, limit, before),
        ({ season }) => String(season),
      );
      const items = page.items.map(({ unit, ...season }) => {
        const writing = writingFor(unit, request, reply);
        const top = season.top.map((entry) => ({ ...entry, ...formattedBy(writing, entry.score) }));
        return { ...season, top };
      });
      return { ...page, items, now: instant() };
    },
  );
};

export default routes;

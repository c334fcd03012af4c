import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer } from '../../schemas/common.js';
import { FinalPlaces, FinalPlacesQuery } from '../../schemas/season.js';
import { UserParams } from '../../schemas/user.js';
import { instant } from '../../src/clock.js';
import { problemResponses } from '../../src/errors.js';
import { formattedBy, writingFor } from '../../src/http/score-writing.js';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/v1/users/:id/seasons',
    {
      schema: {
        operationId: 'listFinalPlaces',
        summary: "A user's final places",
        description: 'Places in seasons that are final, those of the season that ended last first.',
        tags: ['Users'],
        security: [],
        params: UserParams,
        querystring: FinalPlacesQuery,
        response: { 200: answer(FinalPlaces), ...problemResponses('validation-failed', 'not-found') },
      },
    },
    async (request, reply) => {
      const { params, query } = request;
      const { id } = await app.users.get(params.id);
      const page = await app.cursors.page(
        `final places ${id}`,
        query,
        (limit, after) => app.seasons.placesOf(id, limit, after),
        ({ endsAt, leaderboard, season }) => `${endsAt} ${leaderboard} ${season}`,
      );
      const items = page.items.map(({ unit, ...place }) => ({
        ...place,
        ...formattedBy(writingFor(unit, request, reply), place.score),
      }));
      return { ...page, items, now: instant() };
    },
  );
};

export default routes;

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer } from '../../schemas/common.js';
import { LeaderboardParams } from '../../schemas/leaderboard.js';
import { SeasonChange, SeasonEnd, SeasonParams, SeasonSpan } from '../../schemas/season.js';
import { actOf } from '../../src/audit.js';
import { BODY_FAULTS, problemResponses } from '../../src/errors.js';

const common = { tags: ['Admin'], security: [{ bearer: [] }] };
const FAULTS = [
  ...BODY_FAULTS,
  'unauthenticated',
  'forbidden',
  'not-found',
  'season-ended',
  'leaderboard-in-use',
] as const;

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/leaderboards/:id/seasons',
    {
      config: { scope: 'boards:write' },
      schema: {
        ...common,
        operationId: 'endSeason',
        summary: 'End the season in force',
        description:
          'The season ends at `endsAt`, at least 5 s ahead; without it, as soon as it can. The next one begins then, or when the schedule says so, with the name `label`.',
        params: LeaderboardParams,
        body: SeasonEnd,
        response: { 202: answer(SeasonSpan), ...problemResponses(...FAULTS) },
      },
    },
    async (request, reply) => {
      const { reason: _, ...end } = request.body;
      return reply.code(202).send(await app.catalog.endSeason(request.params.id, end, actOf(request)));
    },
  );

  app.patch(
    '/leaderboards/:id/seasons/:season',
    {
      config: { scope: 'boards:write' },
      schema: {
        ...common,
        operationId: 'changeSeason',
        summary: 'Extend, shorten or name a season',
        description:
          'Any season can be named. The end of the season in force, and of the next one, can be moved until 5 s before; `null` leaves it open where there is no schedule. A change after which no season is to come is refused while the next one has other rules.',
        params: SeasonParams,
        body: SeasonChange,
        response: { 200: answer(SeasonSpan), ...problemResponses(...FAULTS, 'season-not-found') },
      },
    },
    async (request) => {
      const { reason: _, ...change } = request.body;
      const { id, season } = request.params;
      return app.catalog.changeSeason(id, season, change, actOf(request));
    },
  );
};

export default routes;

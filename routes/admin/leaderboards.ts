import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox';
import { answer, Deletion } from '../../schemas/common.js';
import {
  DryRun,
  IfMatch,
  Leaderboard,
  LeaderboardParams,
  LeaderboardRules,
  PlannedLeaderboard,
} from '../../schemas/leaderboard.js';
import { Judgement } from '../../schemas/moderation.js';
import { actOf, actOfQuery } from '../../src/audit.js';
import { withTotal } from '../../src/catalog/with-entries.js';
import { BODY_FAULTS, problemResponses, UNREAD_BODY_FAULTS } from '../../src/errors.js';

const common = { tags: ['Admin'], security: [{ bearer: [] }] };

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.put(
    '/leaderboards/:id',
    {
      config: { scope: 'boards:write' },
      schema: {
        ...common,
        operationId: 'putLeaderboard',
        summary: 'Create or replace a leaderboard',
        description:
          'The season in force ends as it would have anyway: another schedule takes effect with the next season, and so do `sort`, `operator`, `lateTokens` and `graceMs` of a leaderboard with entries. While no season is to come `sort` and `operator` cannot be changed, and the others are at once. While a season is just beginning, and within five seconds of the start of a first schedule, the answer is 409 `season-changed`: try again. Other instances apply the change within a second. A leaderboard with the id of a deleted one starts with the next season.',
        params: LeaderboardParams,
        querystring: DryRun,
        headers: IfMatch,
        body: LeaderboardRules,
        response: {
          200: answer(PlannedLeaderboard),
          ...problemResponses(
            ...BODY_FAULTS,
            'unauthenticated',
            'forbidden',
            'leaderboard-in-use',
            'season-changed',
            'revision-changed',
            'schedule-invalid',
          ),
        },
      },
    },
    async (request, reply) => {
      const { reason: _, ...rules } = request.body;
      const { id } = request.params;
      const options = { ...request.query, ifMatch: request.headers['if-match'] };
      const put = await app.catalog.putLeaderboard({ id, ...rules }, actOf(request), options);
      // What is only tried has a revision that somebody else will make.
      if (!options.dryRun) reply.header('etag', `"${put.revision}"`);
      return withTotal(app.leaderboards, put);
    },
  );

  for (const frozen of [true, false]) {
    app.post(
      `/leaderboards/:id/${frozen ? 'freeze' : 'unfreeze'}`,
      {
        config: { scope: 'boards:write' },
        schema: {
          ...common,
          operationId: frozen ? 'freezeLeaderboard' : 'unfreezeLeaderboard',
          summary: frozen ? 'Freeze a leaderboard' : 'Let a frozen leaderboard take scores again',
          description: frozen
            ? 'The leaderboard takes no more scores, on any instance. A score that also feeds other leaderboards counts there; if all are frozen, it is rejected and its token is not consumed. Administrators can still correct events. A frozen leaderboard is not changed.'
            : 'Scores that were posted while it was frozen do not count. A leaderboard that is not frozen is not changed.',
          params: LeaderboardParams,
          body: Judgement,
          response: {
            200: answer(Leaderboard),
            ...problemResponses(...BODY_FAULTS, 'unauthenticated', 'forbidden', 'not-found'),
          },
        },
      },
      async (request) =>
        withTotal(app.leaderboards, await app.catalog.setFrozen(request.params.id, frozen, actOf(request))),
    );
  }

  app.delete(
    '/leaderboards/:id',
    {
      config: { scope: 'boards:write' },
      schema: {
        ...common,
        operationId: 'deleteLeaderboard',
        summary: 'Delete a leaderboard',
        description:
          'The leaderboard and its streams end at once; its scores are deleted within the next minutes. Rejected while an action feeds it, and while it has entries unless it is frozen. Its events stay in the ledger.',
        params: LeaderboardParams,
        querystring: Deletion,
        response: {
          204: Type.Null({ description: 'Deleted.' }),
          ...problemResponses(
            'validation-failed',
            ...UNREAD_BODY_FAULTS,
            'unauthenticated',
            'forbidden',
            'not-found',
            'leaderboard-in-use',
          ),
        },
      },
    },
    async (request, reply) => {
      await app.catalog.deleteLeaderboard(request.params.id, actOfQuery(request));
      return reply.code(204).send(null);
    },
  );
};

export default routes;

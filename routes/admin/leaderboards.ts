import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox';
import { answer, Deletion } from '../../schemas/common.js';
import { Leaderboard, LeaderboardParams, LeaderboardRules } from '../../schemas/leaderboard.js';
import { Judgement } from '../../schemas/moderation.js';
import { actOf } from '../../src/audit.js';
import { withTotal } from '../../src/catalog/with-entries.js';
import { BODY_FAULTS, problemResponses, UNREAD_BODY_FAULTS } from '../../src/errors.js';

const common = { tags: ['Admin'], security: [{ bearer: [] }] };

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.put(
    '/leaderboards/:id',
    {
      schema: {
        ...common,
        summary: 'Create or replace a leaderboard',
        description:
          'Once it has entries, `sort` and `operator` stay as they are. Other instances follow within a second. A leaderboard with the id of a deleted one begins with the next season.',
        params: LeaderboardParams,
        body: LeaderboardRules,
        response: {
          200: answer(Leaderboard),
          ...problemResponses(...BODY_FAULTS, 'unauthenticated', 'forbidden', 'leaderboard-in-use'),
        },
      },
    },
    async (request) => {
      const { reason: _, ...rules } = request.body;
      const { id } = request.params;
      return withTotal(app.leaderboards, await app.catalog.putLeaderboard({ id, ...rules }, actOf(request)));
    },
  );

  for (const frozen of [true, false]) {
    app.post(
      `/leaderboards/:id/${frozen ? 'freeze' : 'unfreeze'}`,
      {
        schema: {
          ...common,
          summary: frozen ? 'Freeze a leaderboard' : 'Let a frozen leaderboard take scores again',
          description: frozen
            ? 'It takes no scores from now on, on any instance. A score that feeds other leaderboards too counts there; one that feeds none is refused, and its token is not used up. Corrections by administrators still work. One that is frozen already stays as it is.'
            : 'What it was sent while it was frozen does not count. One that takes scores already stays as it is.',
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
      schema: {
        ...common,
        summary: 'Delete a leaderboard',
        description:
          'It is gone at once, with its streams; its scores are removed in the course of the next minutes. Refused while an action feeds it, and while it has entries unless it is frozen. Events that counted for it stay in the ledger.',
        params: LeaderboardParams,
        querystring: Deletion,
        response: {
          204: Type.Null({ description: 'It is deleted.' }),
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
      const { reason = null } = request.query;
      await app.catalog.deleteLeaderboard(request.params.id, { actor: request.user.id, reason });
      return reply.code(204).send(null);
    },
  );
};

export default routes;

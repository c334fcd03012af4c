import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Action, ActionDefinition, ActionParams } from '../schemas/action.js';
import { answer } from '../schemas/common.js';
import { Leaderboard, LeaderboardParams, LeaderboardRules } from '../schemas/leaderboard.js';
import { BODY_FAULTS, invalid, problemResponses } from '../src/errors.js';

const common = { tags: ['Admin'], security: [{ bearer: [] }] };

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.addHook('onRequest', app.authenticate);
  app.addHook('onRequest', app.requireRole('admin'));

  app.put(
    '/v1/admin/leaderboards/:id',
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
      const { reason = null, ...rules } = request.body;
      await app.catalog.putLeaderboard({ id, ...rules }, { actor: request.user.id, reason });
      return { ...app.catalog.leaderboard(id), entries: await app.leaderboards.total(id) };
    },
  );

  app.put(
    '/v1/admin/actions/:id',
    {
      schema: {
        ...common,
        summary: 'Create or replace an action',
        params: ActionParams,
        body: ActionDefinition,
        response: {
          200: answer(Action),
          ...problemResponses(...BODY_FAULTS, 'unauthenticated', 'forbidden'),
        },
      },
    },
    async (request) => {
      const { reason = null, ...rules } = request.body;
      const action = { id: request.params.id, ...rules };
      if (action.points.min > action.points.max)
        throw invalid('/points', 'must have a min that is not above its max');
      if (action.minDurationMs >= app.actionToken.lifetime * 1000) {
        throw invalid(
          '/minDurationMs',
          `must be less than the ${app.actionToken.lifetime} s that a token is good for`,
        );
      }
      await app.catalog.putAction(action, { actor: request.user.id, reason });
      return action;
    },
  );
};

export default routes;

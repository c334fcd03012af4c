import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { ActionToken, ActionTokenRequest } from '../schemas/action.js';
import { answer } from '../schemas/common.js';
import { BODY_FAULTS, invalid, Problem, problemResponses } from '../src/errors.js';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/v1/action-tokens',
    {
      onRequest: app.authenticate,
      schema: {
        summary: 'Get a token for an action that begins now',
        description:
          'A player gets one for itself, for actions that players may issue. A game server gets one for any action and any user, and may fix the points.',
        tags: ['Actions'],
        security: [{ bearer: [] }],
        body: ActionTokenRequest,
        response: {
          201: answer(ActionToken),
          ...problemResponses(
            ...BODY_FAULTS,
            'unauthenticated',
            'forbidden',
            'action-not-player-issuable',
            'not-found',
            'points-out-of-range',
          ),
        },
      },
    },
    async (request, reply) => {
      const { action: actionId, userId, points } = request.body;
      const { user: caller } = request;
      const action = await app.catalog.action(actionId);
      if (action === null) throw new Problem('not-found', `There is no action "${actionId}".`);
      if (caller.role === 'server') {
        if (userId === undefined) throw invalid('/userId', 'is missing: whose action is it?');
        if (points !== undefined && (points < action.points.min || points > action.points.max)) {
          throw new Problem(
            'points-out-of-range',
            `"${actionId}" gives ${action.points.min} to ${action.points.max} points.`,
          );
        }
        const { id } = await app.users.get(userId);
        const range = points === undefined ? action.points : { min: points, max: points };
        return reply.code(201).send(app.actionToken.issue(action, id, range, caller.id));
      }
      if (userId !== undefined || points !== undefined || caller.sessionId === null) {
        throw new Problem('forbidden', 'Only a game server may name the user or the points.');
      }
      if (action.issuer !== 'player') {
        throw new Problem('action-not-player-issuable', `Only a game server may issue "${actionId}".`);
      }
      return reply.code(201).send(app.actionToken.issue(action, caller.id, action.points, 'player'));
    },
  );
};

export default routes;

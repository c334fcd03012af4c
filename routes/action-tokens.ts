import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { ActionToken, ActionTokenRequest } from '../schemas/action.js';
import { answer } from '../schemas/common.js';
import { BODY_FAULTS, problemResponses } from '../src/errors.js';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/v1/action-tokens',
    {
      onRequest: app.authenticate,
      schema: {
        operationId: 'createActionToken',
        summary: 'Request a token for an action that begins now',
        description:
          'Players get tokens for themselves, for actions whose issuer is `player`. With the scope `scores:mint`, game servers get tokens for any action and any user, and may fix the points.',
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
    async (request, reply) => reply.code(201).send(await app.actionTokens.issue(request.user, request.body)),
  );
};

export default routes;

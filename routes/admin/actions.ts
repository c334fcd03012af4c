import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox';
import { Action, ActionDefinition, ActionParams } from '../../schemas/action.js';
import { answer, Deletion } from '../../schemas/common.js';
import { actOf, actOfQuery } from '../../src/audit.js';
import { BODY_FAULTS, problemResponses, UNREAD_BODY_FAULTS } from '../../src/errors.js';

const common = { tags: ['Admin'], security: [{ bearer: [] }] };

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.put(
    '/actions/:id',
    {
      config: { scope: 'boards:write' },
      schema: {
        ...common,
        operationId: 'putAction',
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
      const { reason: _, ...rules } = request.body;
      const action = { id: request.params.id, ...rules };
      await app.catalog.putAction(action, actOf(request));
      return action;
    },
  );

  app.delete(
    '/actions/:id',
    {
      config: { scope: 'boards:write' },
      schema: {
        ...common,
        operationId: 'deleteAction',
        summary: 'Delete an action',
        description:
          'Its tokens are rejected from now on; its scores stay. Rejected while events of the action are held: release or void them first.',
        params: ActionParams,
        querystring: Deletion,
        response: {
          204: Type.Null({ description: 'Deleted.' }),
          ...problemResponses(
            'validation-failed',
            ...UNREAD_BODY_FAULTS,
            'unauthenticated',
            'forbidden',
            'not-found',
            'action-in-use',
          ),
        },
      },
    },
    async (request, reply) => {
      await app.catalog.deleteAction(request.params.id, actOfQuery(request));
      return reply.code(204).send(null);
    },
  );
};

export default routes;

import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox';
import { answer } from '../../schemas/common.js';
import { PlayerExport } from '../../schemas/export.js';
import { requireUser } from '../../src/access/caller.js';
import { problemResponses } from '../../src/errors.js';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/v1/users/me/export',
    {
      onRequest: [app.authenticate, requireUser],
      schema: {
        operationId: 'exportMe',
        summary: 'Everything that is kept about me',
        tags: ['Users'],
        security: [{ bearer: [] }],
        response: {
          200: Type.Unsafe<unknown>(answer(PlayerExport)),
          ...problemResponses('unauthenticated', 'forbidden', 'not-found'),
        },
      },
    },
    async ({ user }, reply) => {
      const { at, stream } = await app.exports.player(user.id, null);
      return reply.type('application/json; charset=utf-8').header('x-export-at', at).send(stream);
    },
  );
};

export default routes;

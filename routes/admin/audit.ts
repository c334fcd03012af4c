import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer } from '../../schemas/common.js';
import { AuditQuery, AuditTrail, SEARCH_DAYS } from '../../schemas/moderation.js';
import { problemResponses } from '../../src/errors.js';

const common = { tags: ['Admin'], security: [{ bearer: [] }] };

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/audit',
    {
      config: { scope: 'read' },
      schema: {
        ...common,
        operationId: 'listAudit',
        summary: 'The acts of administrators, newest first',
        description: `Who, when and why: one entry for each change, written in the same transaction. Without \`from\` it looks back for ${SEARCH_DAYS} days; the answer says of which time it is. The filters are combined.`,
        querystring: AuditQuery,
        response: {
          200: answer(AuditTrail),
          ...problemResponses('validation-failed', 'unauthenticated', 'forbidden'),
        },
      },
    },
    async ({ query }) =>
      app.cursors.search(
        JSON.stringify(['audit', query.actor, query.action, query.target]),
        query,
        SEARCH_DAYS,
        (span, behind) => app.auditLog.entries(query, span, query.limit, behind),
      ),
  );
};

export default routes;

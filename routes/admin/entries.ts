import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from '@sinclair/typebox';
import { ActQuery } from '../../schemas/admin-user.js';
import { answer, LeaderboardId, SeasonNumber, UserId } from '../../schemas/common.js';
import { Act } from '../../schemas/moderation.js';
import { actOfQuery } from '../../src/audit.js';
import { boardKey } from '../../src/board-key.js';
import { problemResponses, UNREAD_BODY_FAULTS } from '../../src/errors.js';

/** How long a call waits for its act, in milliseconds: shorter than proxies and clients do. */
const ACT_MS = 10_000;

const EntryParams = Type.Object({ id: LeaderboardId, userId: UserId });
const EntryQuery = Type.Object({
  ...ActQuery.properties,
  season: Type.Optional(
    Type.Unsafe<number>({ ...SeasonNumber, description: 'By default the one in force.' }),
  ),
});

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.delete(
    '/leaderboards/:id/entries/:userId',
    {
      config: { scope: 'moderation' },
      schema: {
        tags: ['Admin'],
        security: [{ bearer: [] }],
        operationId: 'deleteEntry',
        summary: 'Delete the entry of a user',
        description:
          'The events that the entry is made of are voided, and those that are held for it: they count no more, on other boards neither. `POST /v1/admin/acts/{id}/undo` gives them back. What the user scores afterwards makes a new entry. An entry with events that are archived stays (409), and one of a season that is final needs `amend`. If the work takes longer than ten seconds, the answer is 202, and `GET /v1/admin/acts/{id}` says how far it has come.',
        params: EntryParams,
        querystring: EntryQuery,
        response: {
          200: { description: 'The entry is deleted.', ...answer(Act) },
          202: { description: 'It is being deleted.', ...answer(Act) },
          ...problemResponses(
            'validation-failed',
            ...UNREAD_BODY_FAULTS,
            'unauthenticated',
            'forbidden',
            'not-found',
            'act-undone',
            'event-archived',
            'season-final',
            'points-out-of-range',
          ),
        },
      },
    },
    async (request, reply) => {
      const { params, query } = request;
      const { season } = await app.leaderboards.board(params.id);
      const board = boardKey(params.id, query.season ?? season);
      const id = await app.moderation.deleteEntry(board, params.userId, actOfQuery(request));
      const act = await app.moderation.outcome(id, ACT_MS);
      if (act.state === 'running') reply.code(202).header('location', `/v1/admin/acts/${id}`);
      return act;
    },
  );
};

export default routes;

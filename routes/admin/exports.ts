import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox';
import { answer } from '../../schemas/common.js';
import { EventExportQuery, ExportQuery, exported, PlayerExport } from '../../schemas/export.js';
import { UserParams } from '../../schemas/user.js';
import { problemResponses } from '../../src/errors.js';

const common = { tags: ['Admin'], security: [{ bearer: [] }] };
const TYPES = { csv: 'text/csv; charset=utf-8', ndjson: 'application/x-ndjson' };

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/exports',
    {
      config: { scope: 'read' },
      schema: {
        ...common,
        operationId: 'exportEntries',
        summary: 'Export a board',
        description:
          'All entries of a season in their order, as they were at one moment, however many there are. An answer that is cut off is not whole: a client that reads nothing for 20 s is cut off, and so is an export that takes longer than ten minutes. One of a season that is final can be continued behind the last rank; of others begin again.',
        querystring: ExportQuery,
        response: {
          200: exported(
            'rank,sharedRank,userId,externalId,displayName,score,achievedAt\n1,1,usr_01kcx7f0w3e5tt9m6d7kq2x1zb,player-4711,Ada,900,2026-06-11T19:09:00.000Z\n',
            '{"rank":1,"sharedRank":1,"userId":"usr_01kcx7f0w3e5tt9m6d7kq2x1zb","externalId":"player-4711","displayName":"Ada","score":900,"achievedAt":"2026-06-11T19:09:00.000Z"}\n',
          ),
          ...problemResponses(
            'validation-failed',
            'unauthenticated',
            'forbidden',
            'not-found',
            'season-not-found',
            'season-purged',
          ),
        },
      },
    },
    async ({ query, user }, reply) => {
      const { at, stream } = await app.exports.entries(query, user.id);
      return reply.header('content-type', TYPES[query.format]).header('x-export-at', at).send(stream);
    },
  );

  app.get(
    '/exports/events',
    {
      config: { scope: 'read' },
      schema: {
        ...common,
        operationId: 'exportEvents',
        summary: 'Export score events',
        description:
          'The ledger of a span of time, in the order of the ids, with what the events were at one moment. To go on with one that was cut off, give the last `eventId` as `after`, and the same `to`. Events that are archived are in the files of the archive.',
        querystring: EventExportQuery,
        response: {
          200: exported(
            'eventId,userId,externalId,action,points,acceptedAt,achievedAt,status,boards,metadata\nevt_01kcx7g2c4f9f8r8w5w3v0y6hd,usr_01kcx7f0w3e5tt9m6d7kq2x1zb,player-4711,finish-level,900,2026-06-11T19:09:00.000Z,,counted,"{""global"": 1}",\n',
            '{"eventId":"evt_01kcx7g2c4f9f8r8w5w3v0y6hd","userId":"usr_01kcx7f0w3e5tt9m6d7kq2x1zb","externalId":"player-4711","action":"finish-level","points":900,"acceptedAt":"2026-06-11T19:09:00.000Z","achievedAt":null,"status":"counted","boards":{"global": 1},"metadata":null}\n',
          ),
          ...problemResponses('validation-failed', 'unauthenticated', 'forbidden'),
        },
      },
    },
    async ({ query, user }, reply) => {
      const { at, stream } = await app.exports.events(query, user.id);
      return reply.header('content-type', TYPES[query.format]).header('x-export-at', at).send(stream);
    },
  );

  app.get(
    '/users/:id/export',
    {
      config: { scope: 'moderation' },
      schema: {
        ...common,
        operationId: 'exportUser',
        summary: 'Export everything about a player',
        params: UserParams,
        response: {
          200: Type.Unsafe<unknown>(answer(PlayerExport)),
          ...problemResponses('validation-failed', 'unauthenticated', 'forbidden', 'not-found'),
        },
      },
    },
    async ({ params, user }, reply) => {
      const { at, stream } = await app.exports.player(params.id, user.id);
      return reply.type('application/json; charset=utf-8').header('x-export-at', at).send(stream);
    },
  );
};

export default routes;

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { answer } from '../../schemas/common.js';
import { CsvFile, Import, ImportParams, Imports, ImportsQuery, NewImport } from '../../schemas/import.js';
import { invalid, Problem, problemResponses } from '../../src/errors.js';
import { fileOf } from '../../src/http/file-bodies.js';

const common = { tags: ['Admin'], security: [{ bearer: [] }] };

const routes: FastifyPluginAsyncTypebox = async (app) => {
  // In this route alone a body is not read before the handler, and may be of any length. It takes nothing else.
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('text/csv', (_request, _payload, done) => done(null, ''));

  app.post(
    '/imports',
    {
      config: { scope: 'boards:write' },
      schema: {
        ...common,
        operationId: 'importScores',
        summary: 'Import scores',
        description:
          'The body is a CSV file in UTF-8. Its first line names the columns: `externalId` and `score`, and if you have them `displayName`, `achievedAt`, `metadata` and `key`. A row counts as a score event of its own, once for ever: one with the same `key`, or without keys the same player, score and time, is `known` on its board. Players are found by their external id, or made. Rows with a fault are left out. Nothing counts before the whole file is there; then it goes on by itself, whatever becomes of the connection, and `GET /v1/admin/imports/{id}` says how far it has come. If the connection was lost before, send the rest with `resume` and `offset`, or the whole file again.',
        querystring: NewImport,
        body: CsvFile,
        response: {
          202: { description: 'The file is there, and its rows are being counted.', ...answer(Import) },
          ...problemResponses(
            'validation-failed',
            'unauthenticated',
            'forbidden',
            'not-found',
            'season-not-found',
            'board-frozen',
            'season-ended',
            'import-not-resumable',
            'unsupported-media-type',
            'file-refused',
          ),
        },
      },
    },
    async (request, reply) => {
      const { board, season, dryRun, resume, offset } = request.query;
      // What is left of the body after a failure is not read.
      reply.header('connection', 'close');
      const actor = { actor: request.user.id, reason: null };
      if (typeof request.body !== 'string')
        throw new Problem('unsupported-media-type', 'Send the file as text/csv.');
      if (resume === undefined && board === undefined)
        throw invalid('/board', 'is needed to begin an import');
      // Before an import begins: what is refused does not take the place of another one.
      const file = fileOf(request.raw);
      const id = resume ?? (await app.imports.begin({ board: board ?? '', season, dryRun }, actor)).id;
      const received = await app.imports.receive(id, offset, file, resume === undefined ? null : actor);
      return reply
        .removeHeader('connection')
        .code(202)
        .header('location', `/v1/admin/imports/${id}`)
        .send(received);
    },
  );

  app.get(
    '/imports',
    {
      config: { scope: 'read' },
      schema: {
        ...common,
        operationId: 'listImports',
        summary: 'Imports, newest first',
        querystring: ImportsQuery,
        response: {
          200: answer(Imports),
          ...problemResponses('validation-failed', 'unauthenticated', 'forbidden'),
        },
      },
    },
    async ({ query }) =>
      app.cursors.page(
        'imports',
        query,
        (limit, before) => app.imports.list(limit, before),
        ({ id }) => id,
      ),
  );

  app.get(
    '/imports/:id',
    {
      config: { scope: 'read' },
      schema: {
        ...common,
        operationId: 'getImport',
        summary: 'How far an import has come',
        params: ImportParams,
        response: {
          200: answer(Import),
          ...problemResponses('validation-failed', 'unauthenticated', 'forbidden', 'not-found'),
        },
      },
    },
    (request) => app.imports.get(request.params.id),
  );
};

export default routes;

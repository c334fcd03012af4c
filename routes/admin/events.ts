import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox';
import { answer, ref } from '../../schemas/common.js';
import {
  Act,
  ActParams,
  AdminEvent,
  AdminEvents,
  Correction,
  EventParams,
  EventsQuery,
  MassVoid,
  SEARCH_DAYS,
  VoidPreview,
} from '../../schemas/moderation.js';
import { actOf } from '../../src/audit.js';
import { BODY_FAULTS, problemResponses } from '../../src/errors.js';

/** How long a call waits for its void, in milliseconds: shorter than proxies and clients do. */
const MASS_VOID_MS = 10_000;

const VoidAnswer = Type.Unsafe<Act | VoidPreview>({
  description: 'The events no longer count; or with `preview`, what would become of the boards.',
  content: {
    'application/json': {
      schema: Type.Union([ref(Act), ref(VoidPreview)]),
      example: Act.examples[0],
    },
  },
});

const common = { tags: ['Admin'], security: [{ bearer: [] }] };

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/events',
    {
      config: { scope: 'read' },
      schema: {
        ...common,
        operationId: 'listEvents',
        summary: 'The ledger, newest first',
        description: `Without \`from\` it looks back for ${SEARCH_DAYS} days, or for held events without end. The answer says of which time it is. Events that are too rare to be found at once come in several pages, which may have fewer items than \`limit\`, or none: the list ends where \`nextCursor\` is null.`,
        querystring: EventsQuery,
        response: {
          200: answer(AdminEvents),
          ...problemResponses('validation-failed', 'unauthenticated', 'forbidden'),
        },
      },
    },
    async ({ query }) => {
      const { status, userId, action, issuer } = query;
      return app.cursors.search(
        ['events', status, userId, action, issuer].join(' '),
        query,
        // They wait for an administrator, however old they are.
        status === 'held' ? null : SEARCH_DAYS,
        (span, behind) => app.moderation.events(query, span, query.limit, behind),
      );
    },
  );

  app.post(
    '/events/:id/release',
    {
      config: { scope: 'moderation' },
      schema: {
        ...common,
        operationId: 'releaseEvent',
        summary: 'Release a held event',
        description:
          'The event counts as if it had not been held. An event that already counts is not changed; a voided event cannot be released. One of a season that is final is refused without `amend`.',
        params: EventParams,
        body: Correction,
        response: {
          200: answer(AdminEvent),
          ...problemResponses(
            ...BODY_FAULTS,
            'unauthenticated',
            'forbidden',
            'not-found',
            'event-archived',
            'season-final',
            'points-out-of-range',
          ),
        },
      },
    },
    (request) => app.moderation.release(request.params.id, actOf(request)),
  );

  app.post(
    '/events/:id/void',
    {
      config: { scope: 'moderation' },
      schema: {
        ...common,
        operationId: 'voidEvent',
        summary: 'Void an event',
        description:
          'The scores are recomputed without this event. Its token remains consumed. An event that is already voided is not changed. One that counts in a season that is final is refused without `amend`.',
        params: EventParams,
        body: Correction,
        response: {
          200: answer(AdminEvent),
          ...problemResponses(
            ...BODY_FAULTS,
            'unauthenticated',
            'forbidden',
            'not-found',
            'event-archived',
            'season-final',
            'points-out-of-range',
          ),
        },
      },
    },
    (request) => app.moderation.void(request.params.id, actOf(request)),
  );

  app.post(
    '/events/void',
    {
      config: { scope: 'moderation' },
      schema: {
        ...common,
        operationId: 'voidEvents',
        summary: 'Void many events',
        description:
          'Voids the events of a user, an action or an issuer that were accepted in a time span; several filters are combined. The work goes on until it is done, also if the connection or an instance is lost. Events that are archived count for good: a time span that begins with them is refused. Without `amend` it ends at the newest event of a season that is final (409): what was voided before stays so. If the work takes longer than ten seconds, the answer is 202, and `GET /v1/admin/acts/{id}` says how far it has come. With `preview` nothing is done: the answer says how many events there are, and which of the first 100 of each board would move.',
        body: MassVoid,
        response: {
          200: VoidAnswer,
          202: { description: 'They are being voided.', ...answer(Act) },
          ...problemResponses(
            ...BODY_FAULTS,
            'unauthenticated',
            'forbidden',
            'act-undone',
            'event-archived',
            'season-final',
            'points-out-of-range',
          ),
        },
      },
    },
    async (request, reply) => {
      const { reason: _, amend: __, preview = false, ...filter } = request.body;
      if (preview) return await app.moderation.previewVoid(filter, actOf(request));
      const id = await app.moderation.voidAll(filter, actOf(request));
      const act = await app.moderation.outcome(id, MASS_VOID_MS);
      if (act.state === 'running') reply.code(202).header('location', `/v1/admin/acts/${id}`);
      return act;
    },
  );

  app.post(
    '/acts/:id/undo',
    {
      config: { scope: 'moderation' },
      schema: {
        ...common,
        operationId: 'undoAct',
        summary: 'Undo an act',
        description:
          'Once, and as long as nobody has decided about the same since. A void gives back the events that it has voided, and no others: they count again, or are held again. One that is still at work ends. A ban is lifted, or has the end that it had before; who was hidden is shown, a name is as before, a deleted entry is back, a frozen board takes scores, which needs `boards:write` too. Seasons that are final need `amend`. If the work takes longer than ten seconds, the answer is 202, and `GET /v1/admin/acts/{id}` says how far it has come. The audit names the act and its undo.',
        params: ActParams,
        body: Correction,
        response: {
          200: { description: 'It is undone.', ...answer(Act) },
          202: { description: 'It is being undone.', ...answer(Act) },
          ...problemResponses(
            ...BODY_FAULTS,
            'unauthenticated',
            'forbidden',
            'not-found',
            'act-undone',
            'act-not-undoable',
            'event-archived',
            'season-final',
            'points-out-of-range',
          ),
        },
      },
    },
    async (request, reply) => {
      const id = await app.undo.undo(request.params.id, actOf(request), request.user.scopes);
      const act = await app.moderation.outcome(id, MASS_VOID_MS);
      if (act.state === 'running') reply.code(202).header('location', `/v1/admin/acts/${id}`);
      return act;
    },
  );

  app.get(
    '/acts/:id',
    {
      config: { scope: 'read' },
      schema: {
        ...common,
        operationId: 'getAct',
        summary: 'How far an act has come',
        description:
          'Of acts that take their time: voids of many events, deletions of entries and their undoes, and of undoes that are done at once. Their ids are those of the audit.',
        params: ActParams,
        response: {
          200: answer(Act),
          ...problemResponses('validation-failed', 'unauthenticated', 'forbidden', 'not-found'),
        },
      },
    },
    (request) => app.moderation.progress(request.params.id),
  );
};

export default routes;

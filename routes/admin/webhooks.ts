import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox';
import { answer, Deletion } from '../../schemas/common.js';
import {
  DeliveriesQuery,
  NewWebhook,
  Replay,
  Replayed,
  Webhook,
  WebhookChange,
  WebhookDeliveries,
  WebhookDelivery,
  WebhookParams,
  WebhookSecret,
  Webhooks,
  WebhooksQuery,
} from '../../schemas/webhook.js';
import { actOf, actOfQuery } from '../../src/audit.js';
import { BODY_FAULTS, problemResponses, UNREAD_BODY_FAULTS } from '../../src/errors.js';

/** What a call without a body, about one webhook, may be refused with. */
const UNREAD = [
  'validation-failed',
  ...UNREAD_BODY_FAULTS,
  'unauthenticated',
  'forbidden',
  'not-found',
] as const;

const common = { tags: ['Admin'], security: [{ bearer: [] }] };

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/webhooks',
    {
      config: { scope: 'boards:write' },
      schema: {
        ...common,
        operationId: 'createWebhook',
        summary: 'Post events to a receiver',
        description:
          'Events are posted as Standard Webhooks 1.0.0, or as messages to Discord, at least once and in no particular order. The secret is shown this once. Nothing is sent to addresses that are not public.',
        body: NewWebhook,
        response: {
          201: answer(WebhookSecret),
          ...problemResponses(
            ...BODY_FAULTS,
            'unauthenticated',
            'forbidden',
            'too-many-webhooks',
            'webhook-url-refused',
          ),
        },
      },
    },
    async (request, reply) => {
      const webhook = await app.webhooks.create(request.body, actOf(request));
      return reply.code(201).header('location', `/v1/admin/webhooks/${webhook.id}`).send(webhook);
    },
  );

  app.get(
    '/webhooks',
    {
      config: { scope: 'read' },
      schema: {
        ...common,
        operationId: 'listWebhooks',
        summary: 'Webhooks, newest first',
        querystring: WebhooksQuery,
        response: {
          200: answer(Webhooks),
          ...problemResponses('validation-failed', 'unauthenticated', 'forbidden'),
        },
      },
    },
    async ({ query }) =>
      app.cursors.page(
        'webhooks',
        query,
        (limit, before) => app.webhooks.page(limit, before),
        ({ id }) => id,
      ),
  );

  app.get(
    '/webhooks/:id',
    {
      config: { scope: 'read' },
      schema: {
        ...common,
        operationId: 'getWebhook',
        summary: 'A webhook',
        params: WebhookParams,
        response: {
          200: answer(Webhook),
          ...problemResponses('validation-failed', 'unauthenticated', 'forbidden', 'not-found'),
        },
      },
    },
    (request) => app.webhooks.one(request.params.id),
  );

  app.patch(
    '/webhooks/:id',
    {
      config: { scope: 'boards:write' },
      schema: {
        ...common,
        operationId: 'changeWebhook',
        summary: 'Change a webhook',
        description:
          'What waits for a webhook that is disabled becomes a dead letter, and what happens meanwhile is not posted to it.',
        params: WebhookParams,
        body: WebhookChange,
        response: {
          200: answer(Webhook),
          ...problemResponses(
            ...BODY_FAULTS,
            'unauthenticated',
            'forbidden',
            'not-found',
            'webhook-url-refused',
          ),
        },
      },
    },
    (request) => app.webhooks.change(request.params.id, request.body, actOf(request)),
  );

  app.delete(
    '/webhooks/:id',
    {
      config: { scope: 'boards:write' },
      schema: {
        ...common,
        operationId: 'deleteWebhook',
        summary: 'Delete a webhook',
        description: 'What waits for it is not sent any more.',
        params: WebhookParams,
        querystring: Deletion,
        response: {
          204: Type.Null({ description: 'Deleted.' }),
          ...problemResponses(...UNREAD),
        },
      },
    },
    async (request, reply) => {
      await app.webhooks.remove(request.params.id, actOfQuery(request));
      return reply.code(204).send(null);
    },
  );

  app.post(
    '/webhooks/:id/rotate',
    {
      config: { scope: 'boards:write' },
      schema: {
        ...common,
        operationId: 'rotateWebhook',
        summary: 'Make another secret for a webhook',
        description: 'The secret before signs too for 24 hours: each request has two signatures.',
        params: WebhookParams,
        response: {
          200: answer(WebhookSecret),
          ...problemResponses(...UNREAD),
        },
      },
    },
    (request) => app.webhooks.rotate(request.params.id, { actor: request.user.id, reason: null }),
  );

  app.post(
    '/webhooks/:id/test',
    {
      config: { scope: 'boards:write' },
      schema: {
        ...common,
        operationId: 'testWebhook',
        summary: 'Send a test to a webhook',
        description:
          'Sent as events are. Its deliveries show what has become of it. While 10,000 wait, the answer is 429.',
        params: WebhookParams,
        response: {
          202: answer(WebhookDelivery),
          ...problemResponses(...UNREAD, 'webhook-disabled'),
        },
      },
    },
    async (request, reply) => reply.code(202).send(await app.webhooks.test(request.params.id)),
  );

  app.get(
    '/webhooks/:id/deliveries',
    {
      config: { scope: 'read' },
      schema: {
        ...common,
        operationId: 'listDeliveries',
        summary: 'The deliveries of a webhook, newest first',
        description:
          'A delivery is tried ten times in three days. Those that succeed are kept for three days, dead letters for 30.',
        params: WebhookParams,
        querystring: DeliveriesQuery,
        response: {
          200: answer(WebhookDeliveries),
          ...problemResponses('validation-failed', 'unauthenticated', 'forbidden', 'not-found'),
        },
      },
    },
    async ({ params: { id }, query }) =>
      app.cursors.page(
        `deliveries ${id} ${query.state ?? ''}`,
        query,
        (limit, before) => app.webhooks.deliveries(id, query.state, limit, before),
        (delivery) => delivery.id,
      ),
  );

  app.post(
    '/webhooks/:id/replay',
    {
      config: { scope: 'boards:write' },
      schema: {
        ...common,
        operationId: 'replayDeliveries',
        summary: 'Have deliveries tried again',
        description: 'Either these deliveries, or all dead letters of events from a time on. Their ids stay.',
        params: WebhookParams,
        body: Replay,
        response: {
          202: answer(Replayed),
          ...problemResponses(
            ...BODY_FAULTS,
            'unauthenticated',
            'forbidden',
            'not-found',
            'webhook-disabled',
          ),
        },
      },
    },
    async (request, reply) => {
      const replayed = await app.webhooks.replay(request.params.id, request.body, actOf(request));
      return reply.code(202).send({ replayed });
    },
  );
};

export default routes;

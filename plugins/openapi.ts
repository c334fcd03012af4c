import swagger from '@fastify/swagger';
import type { TObject } from '@sinclair/typebox';
import fp from 'fastify-plugin';
import { EVENT_BODIES } from '../schemas/webhook.js';
import { readable } from '../src/http/readable-document.js';

const DESCRIPTION = `Live leaderboards for games. When a player begins an *action*, the game requests an **action token** for it:
a signed permission to score once. When the action is finished, the game posts the token to \`/v1/scores\`. Its points count
exactly once, and a moment later every board of the action shows them, also on \`/v1/leaderboards/{id}/stream\`.

Errors are problem documents (RFC 9457) with a stable \`code\`. No text of a request may hold U+0000.`;

const TAGS = [
  { name: 'Auth', description: 'Guests, accounts, sessions, service accounts.' },
  { name: 'Users', description: 'Players.' },
  { name: 'Actions', description: 'Actions and their tokens.' },
  { name: 'Scores', description: 'The ledger.' },
  { name: 'Leaderboards', description: 'Leaderboards, read and streamed.' },
  { name: 'Admin', description: 'For operators.' },
  { name: 'Webhooks', description: 'What is posted to receivers.' },
  { name: 'Service', description: 'For machines.' },
];

const HEADERS = {
  'webhook-id': 'The event: the same for every try.',
  'webhook-timestamp': 'When it was sent, in seconds since 1970.',
  'webhook-signature':
    'As Standard Webhooks 1.0.0 defines it: `v1,` and the signature; two of them while a secret is replaced.',
};

/** How an event is posted to a receiver. */
const webhook = (body: TObject) => ({
  post: {
    summary: body.description ?? '',
    tags: ['Webhooks'],
    parameters: Object.entries(HEADERS).map(([name, description]) => ({
      name,
      description,
      in: 'header',
      required: true,
      schema: { type: 'string' },
    })),
    requestBody: { required: true, content: { 'application/json': { schema: body } } },
    responses: { '2XX': { description: 'It has arrived. After anything else it is sent again.' } },
  },
});
const withWebhooks = <T extends object>(document: T): T => ({
  ...document,
  webhooks: Object.fromEntries(EVENT_BODIES.map(([type, body]) => [type, webhook(body)])),
});

/** Collects the OpenAPI document from the schemas of the routes that are registered after this. */
export default fp(
  async (app) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'scoreboard-api',
          description: DESCRIPTION,
          version: '0.1.0',
          license: { name: 'MIT', identifier: 'MIT' },
        },
        servers: [{ url: '/', description: 'This server' }],
        tags: TAGS,
        components: {
          securitySchemes: {
            bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'An access token.' },
            session: {
              type: 'apiKey',
              in: 'cookie',
              name: 'scoreboard_admin',
              description: 'The session of a person, for the console.',
            },
            basic: { type: 'http', scheme: 'basic', description: 'Id and secret of a service account.' },
          },
        },
      },
      transformObject: (document) =>
        'openapiObject' in document ? readable(withWebhooks(document.openapiObject)) : document.swaggerObject,
      refResolver: {
        buildLocalReference: (json, _base, _fragment, i) => (json['$id'] ? String(json['$id']) : `def-${i}`),
      },
    });
  },
  { name: 'openapi', dependencies: ['validation'], fastify: '5.x' },
);

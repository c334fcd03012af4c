import swagger from '@fastify/swagger';
import fp from 'fastify-plugin';

const DESCRIPTION = `Live leaderboards for games. A player finishes an *action*; an **action token**, signed and good for one
use, was issued for it before. Posting the token to \`/v1/scores\` counts its points exactly once, and every board they feed
shows them a moment later, over \`/v1/leaderboards/{id}/stream\` too.

Errors are problem documents (RFC 9457) with a stable \`code\`.`;

const TAGS = [
  { name: 'Auth', description: 'Guests, accounts, sessions, service accounts.' },
  { name: 'Users', description: 'Who plays.' },
  { name: 'Actions', description: 'What can be scored, and the tokens that prove it was earned.' },
  { name: 'Scores', description: 'The ledger.' },
  { name: 'Leaderboards', description: 'Rankings, read and live.' },
  { name: 'Admin', description: 'For operators.' },
  { name: 'Service', description: 'For machines.' },
];

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
            basic: { type: 'http', scheme: 'basic', description: 'Id and secret of a service account.' },
          },
        },
      },
      refResolver: {
        buildLocalReference: (json, _base, _fragment, i) => (json['$id'] ? String(json['$id']) : `def-${i}`),
      },
    });
  },
  { name: 'openapi', dependencies: ['validation'], fastify: '5.x' },
);

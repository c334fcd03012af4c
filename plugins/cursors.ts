import fp from 'fastify-plugin';
import type { AppConfig } from '../src/config.js';
import { Cursors } from '../src/cursor.js';

declare module 'fastify' {
  interface FastifyInstance {
    cursors: Cursors;
  }
}

/** Signs the cursors of lists. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    app.decorate('cursors', new Cursors(config.JWT_SECRET, config.JWT_SECRET_PREVIOUS));
  },
  { name: 'cursors', fastify: '5.x' },
);

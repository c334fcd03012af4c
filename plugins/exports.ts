import fp from 'fastify-plugin';
import { Exports } from '../src/exports/exports.js';

declare module 'fastify' {
  interface FastifyInstance {
    exports: Exports;
  }
}

/** What the service has, to take away. */
export default fp(
  async (app) => {
    app.decorate('exports', new Exports(app.pg.pool));
  },
  { name: 'exports', dependencies: ['db'], fastify: '5.x' },
);

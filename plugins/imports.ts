import fp from 'fastify-plugin';
import { Imports } from '../src/imports/imports.js';

declare module 'fastify' {
  interface FastifyInstance {
    imports: Imports;
  }
}

/** Scores that come from elsewhere, in files. */
export default fp(
  async (app) => {
    app.decorate('imports', new Imports(app.pg.pool));
  },
  { name: 'imports', dependencies: ['db'], fastify: '5.x' },
);

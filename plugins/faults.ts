import fp from 'fastify-plugin';
import { Faults } from '../src/observability/faults.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Where faults of the database and of Redis are told that no request has to answer for. */
    faults: Faults;
  }
}

export default fp(
  async (app) => {
    const faults = new Faults((line, event) => app.log.error(line, event));
    app.decorate('faults', faults);
    app.addHook('onClose', async () => faults.close());
  },
  { name: 'faults', fastify: '5.x' },
);

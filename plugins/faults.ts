import fp from 'fastify-plugin';
import { Faults } from '../src/observability/faults.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Takes the faults of the database and of Redis that do not belong to a request. */
    faults: Faults;
  }
}

/** Reports what goes wrong beside requests, as log lines that do not flood. */
export default fp(
  async (app) => {
    const faults = new Faults((line, event) => app.log.error(line, event));
    app.decorate('faults', faults);
    app.addHook('onClose', async () => faults.close());
  },
  { name: 'faults', fastify: '5.x' },
);

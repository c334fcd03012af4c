import fp from 'fastify-plugin';
import type { SharedState } from '../src/workers/shared-state.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** What the processes of this instance have in common. */
    shared: SharedState;
  }
}

export default fp<{ state: SharedState }>(
  async (app, { state }) => {
    app.decorate('shared', state);
  },
  { name: 'shared-state', fastify: '5.x' },
);

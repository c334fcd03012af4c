import fp from 'fastify-plugin';
import { Moderation } from '../src/moderation/moderation.js';

declare module 'fastify' {
  interface FastifyInstance {
    moderation: Moderation;
  }
}

/** What administrators do about cheats. */
export default fp(
  async (app) => {
    app.decorate(
      'moderation',
      new Moderation({
        pool: app.pg.pool,
        leaderboards: app.leaderboards,
        writer: app.instance,
        onError: (error) => app.faults.either(error, 'showing a correction'),
      }),
    );
  },
  { name: 'moderation', dependencies: ['db', 'leaderboard'], fastify: '5.x' },
);

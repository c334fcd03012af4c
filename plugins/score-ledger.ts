import fp from 'fastify-plugin';
import { ScoreLedger } from '../src/ledger/score-ledger.js';

declare module 'fastify' {
  interface FastifyInstance {
    ledger: ScoreLedger;
  }
}

/** The writer of scores. Closing waits until everything it has taken is answered. */
export default fp(
  async (app) => {
    const ledger = new ScoreLedger({
      pool: app.pg.pool,
      leaderboards: app.leaderboards,
      instance: app.instance,
      onError: (error) => app.log.error({ err: error }, 'Database error: scores could not be written'),
    });
    app.decorate('ledger', ledger);
    app.addHook('onClose', () => ledger.drain());
  },
  { name: 'score-ledger', dependencies: ['db', 'leaderboard'], fastify: '5.x' },
);

import fp from 'fastify-plugin';
import { MAX_WAITING, ScoreLedger } from '../src/ledger/score-ledger.js';

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
      turnPages: app.turnPages,
      writer: app.instance,
      onError: (error) => app.faults.either(error, 'writing scores'),
      onFlush: (size, seconds) => {
        app.measured.batchSize.observe(size);
        app.measured.flushDuration.observe(seconds);
      },
      onProjected: (seconds) => app.measured.projectionLag.observe(seconds),
    });
    app.onScrape(() => {
      app.measured.queueDepth.set(ledger.waiting);
      app.measured.queueCapacity.set(MAX_WAITING);
    });
    app.decorate('ledger', ledger);
    app.addHook('onClose', () => ledger.drain());
  },
  { name: 'score-ledger', dependencies: ['db', 'leaderboard', 'metrics', 'season-turning'], fastify: '5.x' },
);

import fp from 'fastify-plugin';
import { purgeScores } from '../src/catalog/purge-scores.js';
import { Loop } from '../src/loop.js';

const EVERY_MS = 60_000;
const ROWS = 5_000;

/** Deletes what is of no use any more: expired tokens and sessions, and the scores of deleted leaderboards. */
export default fp(
  async (app) => {
    const purge = async (signal: AbortSignal): Promise<void> => {
      // A bounded number at a time, until none is left.
      while (!signal.aborted && (await app.ledger.purge(ROWS)) === ROWS);
      while (!signal.aborted && (await app.sessions.purge(ROWS)) === ROWS);
      while (!signal.aborted && (await purgeScores(app.pg.pool, ROWS)));
    };
    const loop = new Loop(purge, {
      everyMs: EVERY_MS,
      firstBackoffMs: EVERY_MS / 2,
      maxBackoffMs: EVERY_MS,
      onError: (error) => app.faults.database(error, 'throwing away what has expired'),
    });
    // Instances that start together do not purge together.
    loop.start(EVERY_MS * Math.random());
    app.addHook('preClose', () => loop.stop());
  },
  { name: 'jobs', dependencies: ['draining', 'auth', 'score-ledger'], fastify: '5.x' },
);

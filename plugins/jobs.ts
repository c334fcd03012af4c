import fp from 'fastify-plugin';

const EVERY_MS = 60_000;
const ROWS = 5_000;

/** What must be done now and then: throws away tokens and sessions that are of no use any more. */
export default fp(
  async (app) => {
    const purge = async (): Promise<void> => {
      try {
        // A bounded bite at a time, until none is left.
        while (!app.draining && (await app.ledger.purge(ROWS)) === ROWS);
        while (!app.draining && (await app.sessions.purge(ROWS)) === ROWS);
      } catch (error) {
        app.faults.database(error, 'throwing away what has expired');
      }
    };
    // Instances that start together do not purge together.
    let timer = setTimeout(function run() {
      void purge().finally(() => {
        if (!app.draining) timer = setTimeout(run, EVERY_MS).unref();
      });
    }, EVERY_MS * Math.random()).unref();
    app.addHook('preClose', async () => clearTimeout(timer));
  },
  { name: 'jobs', dependencies: ['draining', 'auth', 'score-ledger'], fastify: '5.x' },
);

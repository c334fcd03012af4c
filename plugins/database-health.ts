import fp from 'fastify-plugin';
import { HealthCheck } from '../src/observability/health-check.js';
import { Writability } from '../src/postgres/writability.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether PostgreSQL answers, takes writes, has a connection for the pool, and notifies this instance of changes. */
    databaseCheck(): Promise<'ok' | 'error'>;
  }
}

/** What `/health` says of PostgreSQL: an error whenever the service cannot keep a promise because of it. */
export default fp(
  async (app) => {
    const { pool } = app.pg;
    const writability = new Writability(app.databaseProbe);
    app.faults.onDatabaseFault((error) => writability.failed(error));
    /** A pool whose connections are all in use is busy, not ill; one that waits for a connection may just be slow. */
    const checkPool = async (): Promise<void> => {
      if (pool.idleCount > 0 || pool.totalCount >= pool.options.max) return;
      (await pool.connect()).release();
    };
    const check = new HealthCheck(
      async () => {
        await Promise.all([writability.check(), checkPool()]);
        return true;
      },
      (error) => app.faults.database(error, 'answering a health check'),
    );
    app.decorate('databaseCheck', async () => {
      const checks = await Promise.all([check.passes(), app.changes.becomesCurrent()]);
      return checks.every(Boolean) ? 'ok' : 'error';
    });
  },
  { name: 'database-health', dependencies: ['db', 'change-feed'], fastify: '5.x' },
);

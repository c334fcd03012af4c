import postgres from '@fastify/postgres';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import pg from 'pg';
import type { AppConfig } from '../src/config.js';
import { HealthCheck } from '../src/observability/health-check.js';
import { type Queryable, types } from '../src/postgres/database.js';
import { Replica } from '../src/postgres/replica.js';

const CONNECT_TIMEOUT_MS = 2_000;
const STATEMENT_TIMEOUT_MS = 5_000;

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether PostgreSQL answers, asked at most once a second. */
    databaseAnswers(): Promise<boolean>;
    /** For reads that tolerate lag: the replica if there is one that answers, else the primary. */
    replica: Queryable;
  }
}

const REPLICA_TIMEOUT_MS = 1_000;

/** The pool of connections to PostgreSQL, as `app.pg.pool`. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const options = {
      application_name: config.SERVICE_NAME,
      max: config.DATABASE_POOL_SIZE,
      types,
      // A plan made while a table is empty is kept when it is full: a sequential scan would then read all of it each time.
      options: '-c timezone=UTC -c enable_seqscan=off',
      keepAlive: true,
      // Nothing waits without a limit: for a free connection, for an answer, for a server that vanished silently.
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      query_timeout: STATEMENT_TIMEOUT_MS + 1_000,
      idle_in_transaction_session_timeout: 2 * STATEMENT_TIMEOUT_MS,
    };
    await app.register(postgres, { ...options, connectionString: config.DATABASE_URL });
    const { pool } = app.pg;
    survive(pool, app);
    const pools = new Map([['primary', pool]]);
    app.decorate('replica', pool);
    if (config.DATABASE_REPLICA_URL !== undefined) {
      // A short limit, so that the primary can still answer in time.
      const replica = new pg.Pool({
        ...options,
        connectionString: config.DATABASE_REPLICA_URL,
        connectionTimeoutMillis: REPLICA_TIMEOUT_MS,
        query_timeout: REPLICA_TIMEOUT_MS,
      });
      survive(replica, app);
      pools.set('replica', replica);
      app.replica = new Replica(replica, pool, (error) =>
        app.faults.database(error, 'reading from the replica'),
      );
      app.addHook('onClose', () => replica.end());
    }

    // On a connection of its own: a pool whose connections are all in use is busy, not ill.
    const probe = new pg.Pool({ ...options, connectionString: config.DATABASE_URL, max: 1 });
    survive(probe, app);
    app.addHook('onClose', () => probe.end());
    const check = new HealthCheck(
      async () => {
        await probe.query('SELECT');
        return true;
      },
      (error) => app.faults.database(error, 'answering a health check'),
    );
    app.decorate('databaseAnswers', () => check.passes());

    app.onScrape(() => {
      const { poolConnections, poolCapacity, poolWaiting } = app.measured;
      for (const [name, { idleCount, totalCount, waitingCount }] of pools) {
        poolConnections.set({ pool: name, state: 'idle' }, idleCount);
        poolConnections.set({ pool: name, state: 'busy' }, totalCount - idleCount);
        poolCapacity.set({ pool: name }, config.DATABASE_POOL_SIZE);
        poolWaiting.set({ pool: name }, waitingCount);
      }
    });
  },
  { name: 'db', dependencies: ['faults', 'metrics'], fastify: '5.x' },
);

/** Without listeners a connection that ends, idle or in use, would end the process. */
function survive(pool: pg.Pool, { faults, log }: FastifyInstance): void {
  pool.on('error', (error) => faults.database(error, 'keeping an idle connection'));
  pool.on('connect', (client) => {
    // The query that uses the connection fails with an error of its own.
    client.on('error', (error) => log.debug({ err: error }, 'A database connection was lost while in use'));
  });
}

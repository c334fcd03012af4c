import { setTimeout as delay } from 'node:timers/promises';
import postgres from '@fastify/postgres';
import type { FastifyBaseLogger } from 'fastify';
import fp from 'fastify-plugin';
import pg from 'pg';
import type { AppConfig } from '../src/config.js';
import { type Queryable, types } from '../src/database.js';
import { Replica } from '../src/replica.js';

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
const CHECK_TIMEOUT_MS = 1_000;
const CHECK_LASTS_MS = 1_000;

/** The pool of connections to PostgreSQL, as `app.pg.pool`. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const options = {
      application_name: config.SERVICE_NAME,
      max: config.DATABASE_POOL_SIZE,
      types,
      options: '-c timezone=UTC',
      keepAlive: true,
      // Nothing waits without a limit: for a free connection, for an answer, for a server that is gone without a word.
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      query_timeout: STATEMENT_TIMEOUT_MS + 1_000,
      idle_in_transaction_session_timeout: 2 * STATEMENT_TIMEOUT_MS,
    };
    await app.register(postgres, { ...options, connectionString: config.DATABASE_URL });
    const { pool } = app.pg;
    survive(pool, app.log);
    app.decorate('replica', pool);
    if (config.DATABASE_REPLICA_URL !== undefined) {
      // What is slow here the primary may still answer in time.
      const replica = new pg.Pool({
        ...options,
        connectionString: config.DATABASE_REPLICA_URL,
        connectionTimeoutMillis: REPLICA_TIMEOUT_MS,
        query_timeout: REPLICA_TIMEOUT_MS,
      });
      survive(replica, app.log);
      app.replica = new Replica(replica, pool, (error) =>
        app.log.error({ err: error }, 'Database error: the replica'),
      );
      app.addHook('onClose', () => replica.end());
    }

    let check: Promise<boolean> | undefined;
    app.decorate('databaseAnswers', () => {
      check ??= answers().finally(() =>
        setTimeout(() => {
          check = undefined;
        }, CHECK_LASTS_MS).unref(),
      );
      return check;
    });
    const answers = async (): Promise<boolean> => {
      const timeout = new AbortController();
      try {
        await Promise.race([
          pool.query('SELECT'),
          delay(CHECK_TIMEOUT_MS, undefined, { signal: timeout.signal, ref: false }).then(() => {
            throw new Error(`The database did not answer within ${CHECK_TIMEOUT_MS} ms`);
          }),
        ]);
        return true;
      } catch (error) {
        app.log.error({ err: error }, 'Database error');
        return false;
      } finally {
        timeout.abort();
      }
    };
  },
  { name: 'db', fastify: '5.x' },
);

/** Without listeners an ended connection, idle or in use, would take the process with it. */
function survive(pool: pg.Pool, log: FastifyBaseLogger): void {
  pool.on('error', (error) => log.error({ err: error }, 'Database error'));
  pool.on('connect', (client) => {
    client.on('error', (error) => log.debug({ err: error }, 'A database connection was lost while in use'));
  });
}

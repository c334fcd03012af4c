import { setTimeout as delay } from 'node:timers/promises';
import postgres from '@fastify/postgres';
import fp from 'fastify-plugin';
import type { AppConfig } from '../src/config.js';
import { types } from '../src/database.js';

const CONNECT_TIMEOUT_MS = 2_000;
const STATEMENT_TIMEOUT_MS = 5_000;

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether PostgreSQL answers, asked at most once a second. */
    databaseAnswers(): Promise<boolean>;
  }
}

const CHECK_TIMEOUT_MS = 1_000;
const CHECK_LASTS_MS = 1_000;

/** The pool of connections to PostgreSQL, as `app.pg.pool`. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    await app.register(postgres, {
      connectionString: config.DATABASE_URL,
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
    });
    const { pool } = app.pg;
    // Without listeners an ended connection, idle or in use, would take the process with it.
    pool.on('error', (error) => app.log.error({ err: error }, 'Database error'));
    pool.on('connect', (client) => {
      client.on('error', (error) =>
        app.log.debug({ err: error }, 'A database connection was lost while in use'),
      );
    });

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

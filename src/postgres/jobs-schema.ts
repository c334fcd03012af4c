import { runMigrations } from 'graphile-worker';
import pg from 'pg';
import { poolOptions } from './connection.js';
import type { Queryable } from './database.js';

/** Where graphile-worker keeps its tables. A migration of ours makes it, and takes it away with all that is in it. */
export const JOBS_SCHEMA = 'scoreboard_jobs';

/**
 * Brings the tables of graphile-worker to the version of its package, if there is a schema for them. They have migrations of
 * their own, to be run by one instance at a time.
 * @param client holds the lock for that
 */
export async function migrateJobs(client: Queryable, databaseUrl: string): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM pg_namespace WHERE nspname = $1', [JOBS_SCHEMA]);
  if (rowCount === 0) return;
  const options = { application_name: 'scoreboard-api migrate', connectionTimeoutMillis: 5_000, max: 1 };
  const pool = new pg.Pool(poolOptions(databaseUrl, options, false));
  // The query that is under way fails anyway.
  pool.on('error', () => {});
  pool.on('connect', (connected) => connected.on('error', () => {}));
  try {
    await runMigrations({ pgPool: pool, schema: JOBS_SCHEMA });
  } finally {
    await pool.end();
  }
}

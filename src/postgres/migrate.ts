import { fileURLToPath } from 'node:url';
import pg from 'pg';
import Postgrator from 'postgrator';

/** Any constant will do, as long as every instance uses the same: the key of the lock that lets one migrate at a time. */
const MIGRATION_LOCK = 7_228_501;
const LOCK_TIMEOUT_MS = 60_000;

/** `migrations/` of the checkout, also seen from `dist/`. */
const MIGRATIONS = fileURLToPath(
  new URL(
    import.meta.url.includes('/dist/src/') ? '../../../migrations/' : '../../migrations/',
    import.meta.url,
  ),
);

/**
 * Brings the schema to `target` (the newest by default; 0 undoes everything). Any number of instances may call this at
 * once. Each migration is one transaction together with its row in `schemaversion`.
 */
export async function migrate(databaseUrl: string, target?: number): Promise<{ from: number; to: number }> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5_000 });
  // The error of a lost connection also reaches the query that is under way.
  client.on('error', () => {});
  await client.connect();
  try {
    const postgrator = new Postgrator({
      migrationPattern: `${MIGRATIONS}*.sql`,
      driver: 'pg',
      schemaTable: 'schemaversion',
      validateChecksums: true,
      execQuery: (query: string) => client.query(query),
    });
    await client.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const from = await postgrator.getDatabaseVersion();
    // A schema newer than this code belongs to a newer instance: it is left alone, not undone.
    const to = target ?? Math.max(from, await postgrator.getMaxVersion());
    if (to >= from) await postgrator.validateMigrations(from);
    const step = Math.sign(to - from);
    // One version at a time: postgrator alone would run several scripts, and record them, outside any transaction.
    for (let version = from; version !== to; version += step) {
      await client.query('BEGIN');
      await postgrator.migrate(String(version + step));
      await client.query('COMMIT');
    }
    return { from, to };
  } finally {
    // Also gives back the lock, and rolls back what has failed.
    await client.end();
  }
}

import { fileURLToPath } from 'node:url';
import pg from 'pg';
import Postgrator from 'postgrator';

/** The key of the lock that lets one instance migrate at a time: any constant, the same for all. */
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
  // Without a listener a lost connection would end the process; the query that is under way fails anyway.
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
    // Also releases the lock, and rolls back a migration that has failed.
    await client.end();
  }
}

import { fileURLToPath } from 'node:url';
import Postgrator from 'postgrator';
import { connect } from './connection.js';
import { migrateJobs } from './jobs-schema.js';

/** The key of the lock that lets one instance migrate at a time: any constant, the same for all. */
const MIGRATION_LOCK = 7_228_501;
/** An instance waits this long for another one that migrates. A migration itself takes as long as it takes. */
const SETTINGS = { lock_timeout: '1min', statement_timeout: '0', idle_in_transaction_session_timeout: '0' };

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
  const client = await connect(
    databaseUrl,
    { application_name: 'scoreboard-api migrate', connectionTimeoutMillis: 5_000 },
    SETTINGS,
  );
  try {
    const postgrator = new Postgrator({
      migrationPattern: `${MIGRATIONS}*.sql`,
      driver: 'pg',
      schemaTable: 'schemaversion',
      validateChecksums: true,
      execQuery: (query: string) => client.query(query),
    });
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
    await migrateJobs(client, databaseUrl);
    return { from, to };
  } finally {
    // Also releases the lock, and rolls back a migration that has failed.
    await client.end();
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { connect, openSession } from './connection.js';
import { migrateJobs } from './jobs-schema.js';
import { indexProgress, MigrationReports, type Report } from './migration-reports.js';
import { makeNextPartition } from './partitions.js';
import { LOCK_TIMEOUT_MS } from './patiently.js';
import { Schema } from './schema.js';

/** The key of the lock that lets one instance migrate at a time: any constant, the same for all. */
const MIGRATION_LOCK = 7_228_501;
const LOCK_RETRY_MS = 250;
const REPORT_EVERY_MS = 15_000;
const OPTIONS = { application_name: 'scoreboard-api migrate', connectionTimeoutMillis: 5_000 };
/** A migration takes as long as it takes, but keeps nobody waiting; and an instance that has vanished loses its locks. */
const SETTINGS = {
  lock_timeout: `${LOCK_TIMEOUT_MS}ms`,
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '1min',
  idle_session_timeout: '5min',
  // Pages lock their rows in the order of the key.
  enable_bitmapscan: 'off',
};

/** `migrations/` of the checkout, also seen from `dist/`. */
export const MIGRATIONS = fileURLToPath(
  new URL(
    import.meta.url.includes('/dist/src/') ? '../../../migrations/' : '../../migrations/',
    import.meta.url,
  ),
);

export interface MigrateOptions {
  /** The version to go to, up or down; the newest by default. 0 undoes everything. */
  readonly target?: number | undefined;
  /** Where the migrations are. */
  readonly folder?: string;
  /** Is told what begins, goes on, ends and waits. */
  readonly report?: Report;
  readonly reportEveryMs?: number;
  /** If there is something to do, runs before anything is changed or waited for. */
  readonly onPending?: () => Promise<void>;
  /** Ends the migration where it is; the next call goes on from there. */
  readonly signal?: AbortSignal;
}

/**
 * Brings the schema to a version. Any number of instances may call this at once: one migrates while the others wait. Each
 * migration is one transaction together with its row in `schemaversion`; or, if it has steps, goes on where it was cut off.
 * @throws UnfitDatabase if the schema is not what this code has made of it
 */
export async function migrate(
  databaseUrl: string,
  options: MigrateOptions = {},
): Promise<{ from: number; to: number }> {
  const { target, signal, report = () => {}, reportEveryMs = REPORT_EVERY_MS } = options;
  const client = await connect(databaseUrl, OPTIONS, SETTINGS);
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const pid = rows[0]?.pid ?? 0;
  const reports = new MigrationReports(report, reportEveryMs, () => indexProgress(databaseUrl, pid));
  // The statement that is under way fails, and the signal is looked at before each further one.
  const cancel = () => void cancelStatement(databaseUrl, pid).catch(() => {});
  signal?.addEventListener('abort', cancel);
  try {
    const schema = new Schema(client, options.folder ?? MIGRATIONS);
    let range = target === undefined ? await schema.upToDate() : null;
    if (range === null) {
      await options.onPending?.();
      await takeLock(client, schema, reports, signal);
      range = await schema.migrate(target, reports, signal);
      if (target === undefined) await makeFirstPartitions(client);
    }
    await migrateJobs(client, databaseUrl);
    return range;
  } finally {
    reports.stop();
    signal?.removeEventListener('abort', cancel);
    // Also releases the lock, and rolls back a migration that has failed.
    await client.end();
  }
}

/** Those of now and of the times to come, before the first row is there: later ones are made by a job. */
async function makeFirstPartitions(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ now: number }>(
    `SELECT floor(extract(epoch FROM now()) * 1000)::float8 AS now WHERE to_regclass('consumed_tokens') IS NOT NULL`,
  );
  const [found] = rows;
  // Tests migrate other tables.
  if (found === undefined) return;
  for (let made = 'more'; made === 'more'; ) {
    await client.query('BEGIN');
    made = await makeNextPartition(client, found.now);
    await client.query('COMMIT');
  }
}

/**
 * Waits for as long as another instance migrates. It asks again and again instead of queueing, because CREATE INDEX CONCURRENTLY
 * waits for every statement that is older than it, also for one that queues for this lock.
 */
async function takeLock(
  client: pg.Client,
  schema: Schema,
  reports: MigrationReports,
  signal: AbortSignal | undefined,
): Promise<void> {
  const waits = reports.waits();
  for (;;) {
    signal?.throwIfAborted();
    const { rows } = await client.query<{ ours: boolean }>('SELECT pg_try_advisory_lock($1) AS ours', [
      MIGRATION_LOCK,
    ]);
    if (rows[0]?.ours === true) break;
    waits(await schema.halfDone());
    await sleep(LOCK_RETRY_MS, undefined, { signal });
  }
  // If this process is killed, its statement ends with it. A server that cannot see that lets the statement go on to its end.
  await client.query("SET client_connection_check_interval = '1s'").catch(() => {});
}

async function cancelStatement(url: string, pid: number): Promise<void> {
  const session = await openSession(url, OPTIONS);
  await session.query('SELECT pg_cancel_backend($1)', [pid]).finally(() => session.end());
}

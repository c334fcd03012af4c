import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../error-code.js';
import type { Queryable } from './database.js';
import { SQLSTATE } from './errors.js';

/**
 * How long a change of the schema queues for a table. Scores queue behind it, so it is short. It is also shorter than the second
 * after which PostgreSQL looks for deadlocks, so that of the two it is never a score that is given up.
 */
export const LOCK_TIMEOUT_MS = 200;
/** Longer than that second, after which an autovacuum ends for whoever waits for its table. */
const AUTOVACUUM_YIELDS_WITHIN_MS = 3_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

const PASSING = new Set<string | undefined>([
  SQLSTATE.lockNotAvailable,
  SQLSTATE.deadlockDetected,
  SQLSTATE.serializationFailure,
]);

/** Our tables that are being vacuumed. */
const VACUUMED = `
SELECT DISTINCT c.oid::regclass::text AS name
FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE l.mode = 'ShareUpdateExclusiveLock' AND l.granted AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace`;

const OLDEST_TRANSACTION = `
SELECT pid, application_name AS application, round(extract(epoch FROM now() - xact_start))::int AS seconds
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < now() - interval '1 second'
ORDER BY xact_start LIMIT 1`;

interface Patience {
  readonly signal?: AbortSignal | undefined;
  /** A lock was not to be had. @param by the oldest transaction, which is the likely reason */
  onRefused(by: string): void;
}

/**
 * Runs `work` in a transaction that queues for locks only briefly; if it does not get one, again after a pause, without end.
 * @param client whose `lock_timeout` is LOCK_TIMEOUT_MS
 */
export async function patiently<T>(
  client: Queryable,
  work: () => Promise<T>,
  { signal, onRefused }: Patience,
): Promise<T> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    signal?.throwIfAborted();
    try {
      await client.query('BEGIN');
      if (pauseMs > FIRST_PAUSE_MS) await interruptVacuum(client);
      const result = await work();
      await client.query('COMMIT');
      return result;
    } catch (error) {
      // Where the connection is lost there is nothing to roll back.
      await client.query('ROLLBACK').catch(() => {});
      if (!PASSING.has(errorCode(error))) throw error;
      onRefused(await oldestTransaction(client));
    }
    await sleep(pauseMs * (0.75 + Math.random() / 2), undefined, { signal });
  }
}

/**
 * An autovacuum ends only after one has waited for it for a second. Here the wait is for a lock that no score waits behind; held,
 * it also keeps the next autovacuum away.
 */
async function interruptVacuum(client: Queryable): Promise<void> {
  const { rows } = await client.query<{ name: string }>(VACUUMED);
  if (rows.length === 0) return;
  await client.query(`SET LOCAL lock_timeout = ${AUTOVACUUM_YIELDS_WITHIN_MS}`);
  for (const { name } of rows) await client.query(`LOCK TABLE ${name} IN SHARE UPDATE EXCLUSIVE MODE`);
  await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
}

async function oldestTransaction(client: Queryable): Promise<string> {
  const { rows } = await client.query<{ pid: number; application: string; seconds: number }>(
    OLDEST_TRANSACTION,
  );
  const [oldest] = rows;
  if (oldest === undefined) return 'short transactions';
  const { pid, application, seconds } = oldest;
  return `process ${pid} (${application || 'no name'}), in a transaction for ${seconds} s`;
}

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { connect, keepAsRole, openSession } from './connection.js';
import { UnfitDatabase } from './errors.js';

const OPTIONS = {
  application_name: 'scoreboard-api start',
  connectionTimeoutMillis: 5_000,
  query_timeout: 5_000,
};
const OLDEST_VERSION = 130_000;
const PROBE_CHANNEL = 'scoreboard_probe';
const HEARD_WITHIN_MS = 5_000;

/** What is to be known of it. */
interface Database {
  readonly name: string;
  readonly version: number;
  readonly shownVersion: string;
  readonly encoding: string;
  readonly isStandby: boolean;
  readonly isReadOnly: boolean;
  readonly makeUtf8: string;
  readonly makeWritable: string;
}

const LOOK = `
SELECT datname AS name, current_setting('server_version_num')::int AS version,
       current_setting('server_version') AS "shownVersion", pg_encoding_to_char(encoding) AS encoding,
       pg_is_in_recovery() AS "isStandby", current_setting('default_transaction_read_only') = 'on' AS "isReadOnly",
       format('CREATE DATABASE %I ENCODING ''UTF8'' LOCALE ''C'' TEMPLATE template0', datname || '_utf8') AS "makeUtf8",
       format('ALTER ROLE %I IN DATABASE %I SET default_transaction_read_only = off', session_user, datname) AS "makeWritable"
FROM pg_database WHERE datname = current_database()`;

/** The database that the service writes to: through `url`, which may lead to a pooler, and if so also `directUrl`. */
export interface DatabaseUrls {
  readonly url: string;
  readonly directUrl?: string | undefined;
}

/**
 * Finds out whether the database can hold what the service promises. Where there is a pooler, its role gets the settings of the
 * service.
 * @throws UnfitDatabase that says what to do, or what PostgreSQL throws
 */
export async function assertFit({ url, directUrl }: DatabaseUrls): Promise<void> {
  const listener = await connect(directUrl ?? url, OPTIONS);
  try {
    await assertHolds(listener);
    // Before the first session of the pooler, which would keep what its role has now.
    if (directUrl !== undefined) await keepAsRole(listener);
    await assertHears(listener, { url, directUrl });
  } finally {
    await listener.end();
  }
}

async function assertHolds(client: pg.Client): Promise<void> {
  const { rows } = await client.query<Database>(LOOK);
  const [database] = rows;
  const reason = database === undefined ? 'PostgreSQL does not say which database this is.' : unfit(database);
  if (reason !== null) throw new UnfitDatabase(reason);
}

/** Why the service does not take this database, and what to do; null if it does. */
export function unfit(database: Database): string | null {
  const { name, version, shownVersion, encoding } = database;
  if (version < OLDEST_VERSION)
    return `PostgreSQL ${shownVersion} is too old: it must be 13 or newer. Update the server, for example with pg_upgrade.`;
  if (encoding !== 'UTF8')
    return `The database "${name}" has the encoding ${encoding}, which cannot hold every name. Make one that can, and name it in DATABASE_URL:\n  ${database.makeUtf8};`;
  if (database.isStandby)
    return 'DATABASE_URL leads to a standby, which takes no scores. Name its primary; a standby can be the DATABASE_REPLICA_URL.';
  if (database.isReadOnly)
    return `The database "${name}" is read-only (default_transaction_read_only). Providers do this when a disk is full; if yours is not, run this:\n  ${database.makeWritable};`;
  return null;
}

/** Poolers that give each transaction another session take a LISTEN without an error, and lose what it should bring. */
async function assertHears(listener: pg.Client, { url, directUrl }: DatabaseUrls): Promise<void> {
  const id = randomUUID();
  const heard = hears(listener, id);
  await listener.query(`LISTEN ${PROBE_CHANNEL}`);
  const speaker = await openSession(url, OPTIONS);
  try {
    await speaker.query('SELECT pg_notify($1, $2)', [PROBE_CHANNEL, id]);
    if (await heard) return;
    throw new UnfitDatabase(
      directUrl === undefined
        ? 'DATABASE_URL leads to a connection pooler that gives each transaction another session (PgBouncer with pool_mode = transaction): it loses notifications and locks. Set DATABASE_DIRECT_URL to PostgreSQL itself, for listening and migrating, or use pool_mode = session.'
        : 'What is announced through DATABASE_URL is not heard through DATABASE_DIRECT_URL. The latter must lead to the same database, and to PostgreSQL itself rather than to a pooler.',
    );
  } finally {
    await speaker.end();
  }
}

/** Whether the listener hears this word within five seconds. Instances that start at the same time have words of their own. */
function hears(listener: pg.Client, word: string): Promise<boolean> {
  const heard = new Promise<true>((resolve) => {
    listener.on('notification', ({ payload }) => {
      if (payload === word) resolve(true);
    });
  });
  return Promise.race([heard, sleep(HEARD_WITHIN_MS, false as const, { ref: false })]);
}

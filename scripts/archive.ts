import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type pg from 'pg';
import {
  assertWhole,
  contentsOf,
  isSame,
  printArchive,
  readManifest,
  writeArchive,
} from '../src/ledger/archive-files.js';
import { ARCHIVE_LOCK, carry, close, drop, type Month, oldestMonth } from '../src/ledger/old-events.js';
import { connect } from '../src/postgres/connection.js';
import { isDatabaseError } from '../src/postgres/errors.js';
import { StartError } from '../src/start-error.js';
import { main, withDatabase } from './database.js';

const USAGE = `Moves old events from PostgreSQL into files, a month at a time. The service may run. If it is cut off, run it again.

  npm run archive -- --before <month> --to <folder>   all months before this one, each into <folder>/<month>
  npm run archive -- --read <folder>/<month>          prints an archived month, one event a line, if it is whole

What the events count for stays in the scores. They can be neither voided nor released any more.`;

const OPTIONS = { application_name: 'scoreboard-api archive', connectionTimeoutMillis: 5_000 };
/** A month is read in its order; the file may be on a slow disk. */
const ARCHIVING = {
  statement_timeout: '1h',
  idle_in_transaction_session_timeout: '5min',
  // A bite of the job that drops old events may be under way.
  lock_timeout: '30s',
  enable_seqscan: 'on',
};
/** How often a lock is asked for, and how many times: longer than all but a backup holds one. */
const ASK_EVERY_MS = 1_000;
const ASK_TIMES = 300;

await main(async () => {
  const { before, to, read } = readArguments();
  if (read !== undefined) await printArchive(read, process.stdout);
  else await withDatabase((url) => archiveAt(url, before, to));
});

async function archiveAt(url: string, before: number, to: string): Promise<void> {
  const client = await connect(url, OPTIONS, ARCHIVING);
  try {
    const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [
      ARCHIVE_LOCK,
    ]);
    if (rows[0]?.locked !== true) throw new StartError('Another archive is being made.');
    for (;;) {
      const month = await oldestMonth(client);
      if (month === null || month.end > before) break;
      const folder = join(to, month.name);
      await untilLocked(client, month, () => closed(client, month));
      const events = await archived(client, month, folder);
      while (await inTransaction(client, () => carry(client, month))) {}
      await untilLocked(client, month, () => drop(client, month));
      console.log(`${month.name}: ${events.toLocaleString('en')} events are in ${folder}, and dropped.`);
    }
  } catch (error) {
    if (!isDatabaseError(error) || !(error instanceof Error)) throw error;
    throw new StartError(`PostgreSQL failed: ${error.message}. Run it again: it goes on where it stopped.`, {
      cause: error,
    });
  } finally {
    await client.end();
  }
  console.log('No older month is left.');
}

/** @throws StartError if the month must stay */
async function closed(client: pg.Client, month: Month): Promise<'closed' | 'later'> {
  const result = await close(client, month);
  if (typeof result === 'string') return result;
  throw new StartError(`${month.name} stays, and all after it: ${result.why}.`);
}

/**
 * Makes the archive of a month that is closed, unless it was made before and is whole.
 * @returns how many events are in it
 * @throws StartError
 */
async function archived(client: pg.Client, month: Month, folder: string): Promise<number> {
  const known = await readManifest(folder);
  if (known === null) return await writeArchive(client, month, folder);
  // It may be of another database, or of this one when it had other events: it is never overwritten.
  if (known.month !== month.name || !isSame(known, await contentsOf(client, month)))
    throw new StartError(`${folder} has another archive. Use another folder.`);
  await assertWhole(folder, known);
  return known.events;
}

async function inTransaction<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  const result = await work();
  await client.query('COMMIT');
  return result;
}

/** Repeats a step until it has got its locks, and is all done. @throws StartError */
async function untilLocked(
  client: pg.Client,
  month: Month,
  step: () => Promise<'later' | 'more' | 'closed' | 'dropped'>,
): Promise<void> {
  for (let n = 1; ; n++) {
    const result = await inTransaction(client, step);
    if (result === 'more') continue;
    if (result !== 'later') return;
    if (n === 1) console.error(`${month.name}: waiting for transactions that use its table.`);
    if (n === ASK_TIMES)
      throw new StartError(
        `${month.name} is in use by long transactions, like a backup. Run it again later.`,
      );
    await delay(ASK_EVERY_MS);
  }
}

/** `before` is a time in milliseconds since 1970. */
function readArguments(): { before: number; to: string; read: string | undefined } {
  const { before = '', to = '', read } = parseCommandLine();
  const isMonth = /^\d{4}-(0[1-9]|1[0-2])$/.test(before);
  const asksToRead = read !== undefined && read !== '' && before === '' && to === '';
  const asksToArchive = read === undefined && isMonth && to !== '';
  if (!asksToRead && !asksToArchive) throw new StartError(USAGE);
  return { read, before: Date.parse(before), to };
}

function parseCommandLine() {
  try {
    const options = {
      before: { type: 'string' },
      to: { type: 'string' },
      read: { type: 'string' },
    } as const;
    return parseArgs({ options }).values;
  } catch (cause) {
    throw new StartError(USAGE, { cause });
  }
}

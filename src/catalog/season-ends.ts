import { Problem } from '../errors.js';
import type { Queryable } from '../postgres/database.js';
import { milliseconds } from '../postgres/sql.js';

/** An end that is set is so far ahead at least, in milliseconds, and one that is nearer stays. */
export const AHEAD_MS = 5_000;
/** What may be left of that when the transaction commits: every score of the season before must have been recorded by then. */
const LEFT_MS = 1_000;

const TIME = `SELECT ${milliseconds('clock_timestamp()')} AS now`;

/** The time by the clock of the database, which decides of seasons: it is asked, because that of this process may be behind it. */
export async function databaseTime(client: Queryable): Promise<number> {
  const { rows } = await client.query<{ now: number }>(TIME);
  const [row] = rows;
  if (row === undefined) throw new RangeError('The database does not tell the time');
  return row.now;
}

/**
 * Comes last in a transaction that sets an end: it must not have come before the change is committed.
 * @throws Problem `service-unavailable`
 */
export async function checkStillAhead(client: Queryable, end: number | null): Promise<void> {
  if (end !== null && end < (await databaseTime(client)) + LEFT_MS)
    throw new Problem(
      'service-unavailable',
      'The change took too long: the season would be over. Try again.',
    );
}

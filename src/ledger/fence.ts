import { errorCode } from '../error-code.js';
import { Problem } from '../errors.js';
import { briefly } from '../postgres/briefly.js';
import type { Queryable } from '../postgres/database.js';
import { SQLSTATE } from '../postgres/errors.js';

/**
 * Writers of scores pass the fence of a leaderboard, any number at a time. A change of the leaderboard closes the fence for a
 * moment. Both are advisory locks, which are granted in the order of the requests. If a change locked the row that batches
 * share instead, overlapping batches would starve it.
 */
const FENCE = 7_228_504;
/** Leaderboards share fences, because a batch may feed hundreds and PostgreSQL's table of locks has room for thousands. */
const FENCES = 64;
/** How long a change waits for the scores under way, and how long its transaction may stay idle, in milliseconds. */
const CLOSING_MS = 2_000;

const fenceOf = (leaderboard: string): string => `hashtext(${leaderboard}) & ${FENCES - 1}`;

/** A query that passes the fences of the leaderboards in the column `leaderboard_id` of `from`, in one order everywhere. */
export const passFences = (from: string): string => `
SELECT pg_advisory_xact_lock_shared(${FENCE}, fence)
FROM (SELECT DISTINCT ${fenceOf('leaderboard_id')} AS fence FROM ${from} ORDER BY fence) fences`;

const CLOSE = `SELECT pg_advisory_xact_lock(${FENCE}, ${fenceOf('$1::text')})`;
const LIMIT_IDLE = `set_config('idle_in_transaction_session_timeout', '${CLOSING_MS}', true)`;
const LIMITS = `SELECT set_config('lock_timeout', '${CLOSING_MS}', true), ${LIMIT_IDLE}`;

/** Closes the fence of a leaderboard until the transaction of `client` ends. Must be the first lock that it takes. */
export async function closeFence(client: Queryable, leaderboard: string): Promise<void> {
  // Scores wait as long as the fence is closed: a change that hangs must not hold it.
  await client.query(LIMITS);
  try {
    await client.query(CLOSE, [leaderboard]);
  } catch (error) {
    if (errorCode(error) !== SQLSTATE.lockNotAvailable) throw error;
    throw new Problem(
      'service-unavailable',
      'Scores of this leaderboard are still being written. Try again.',
    );
  }
}

/**
 * Does the same for a change that is in no hurry: if the scores under way take longer than a moment, nothing is done, and others do
 * not wait for them.
 * @returns whether it was done
 */
export async function closeFenceBriefly(
  client: Queryable,
  leaderboard: string,
  change: () => Promise<unknown>,
): Promise<boolean> {
  await client.query(`SELECT ${LIMIT_IDLE}`);
  return await briefly(client, async () => {
    await client.query(CLOSE, [leaderboard]);
    await change();
  });
}

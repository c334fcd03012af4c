import type pg from 'pg';
import { transact } from '../postgres/database.js';

/** The advisory lock of the instance that deletes. Any constant will do, as long as every instance uses the same. */
export const PURGE_LOCK = 7_228_503;

const UNPURGED = `
SELECT id, removed_through AS through FROM leaderboards WHERE purged_through < removed_through ORDER BY id LIMIT 1`;
const DELETE = `
DELETE FROM scores WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM scores WHERE leaderboard_id = $1 AND season <= $2 LIMIT $3))`;

/**
 * Deletes scores of deleted seasons: at most `limit` of one leaderboard, in a transaction, so that it can be killed at any
 * moment and the next call goes on. While one instance does this, the calls of others do nothing.
 * @returns whether there may be more to do
 */
export async function purgeScores(pool: pg.Pool, limit: number): Promise<boolean> {
  return await transact(pool, async (client) => {
    const { rows: locks } = await client.query<{ locked: boolean }>(
      'SELECT pg_try_advisory_xact_lock($1) AS locked',
      [PURGE_LOCK],
    );
    if (locks[0]?.locked !== true) return false;
    const { rows } = await client.query<{ id: string; through: number }>(UNPURGED);
    const [board] = rows;
    if (board === undefined) return false;
    const { rowCount } = await client.query(DELETE, [board.id, board.through, limit]);
    // Fewer than the limit may be left of rows that another transaction has just deleted.
    if (rowCount === 0) {
      await client.query('UPDATE leaderboards SET purged_through = $2 WHERE id = $1', [
        board.id,
        board.through,
      ]);
    }
    return true;
  });
}

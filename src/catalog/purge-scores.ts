import { type BoardKey, boardKey } from '../board-key.js';
import type { Queryable } from '../postgres/database.js';

/** The first deleted seasons of a leaderboard, no more than $1: a season may have no row at all. */
const UNPURGED = `
SELECT id, purged_through AS purged, least(removed_through, purged_through + $1::int) AS through
FROM leaderboards WHERE purged_through < removed_through ORDER BY id LIMIT 1`;
const deleteFrom = (table: string): string => `
DELETE FROM ${table} WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM ${table} WHERE leaderboard_id = $1 AND season > $2 AND season <= $3 LIMIT $4))`;
const DELETES = ['scores', 'archived_standings', 'season_marks'].map(deleteFrom);
const PURGED_SEASONS = `
UPDATE seasons SET purged_at = now() WHERE leaderboard_id = $1 AND season > $2 AND season <= $3 AND purged_at IS NULL`;

/**
 * Deletes scores of deleted seasons: at most `limit`, of at most as many seasons of one leaderboard.
 * @param removeBoards removes what else is kept of these boards; false if that must be tried again later
 * @returns whether there may be more to do
 */
export async function purgeScores(
  client: Queryable,
  limit: number,
  removeBoards: (boards: readonly BoardKey[]) => Promise<boolean> = async () => true,
): Promise<boolean> {
  const { rows } = await client.query<{ id: string; purged: number; through: number }>(UNPURGED, [limit]);
  const [board] = rows;
  if (board === undefined) return false;
  const purged = [board.id, board.purged, board.through];
  let deleted = 0;
  for (const statement of DELETES)
    deleted += (await client.query(statement, [...purged, limit])).rowCount ?? 0;
  // Fewer than the limit may be left of rows that another transaction has just deleted.
  if (deleted === 0) {
    const { id, purged: from, through } = board;
    const seasons = Array.from({ length: through - from }, (_, n) => boardKey(id, from + 1 + n));
    if (!(await removeBoards(seasons))) return false;
    await client.query(PURGED_SEASONS, purged);
    await client.query('UPDATE leaderboards SET purged_through = $2 WHERE id = $1', [
      board.id,
      board.through,
    ]);
  }
  return true;
}

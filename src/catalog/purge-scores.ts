import { type BoardKey, boardKey } from '../board-key.js';
import type { Queryable } from '../postgres/database.js';

const UNPURGED = `
SELECT id, purged_through AS purged, removed_through AS through FROM leaderboards WHERE purged_through < removed_through ORDER BY id LIMIT 1`;
const deleteFrom = (table: string): string => `
DELETE FROM ${table} WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM ${table} WHERE leaderboard_id = $1 AND season <= $2 LIMIT $3))`;
const DELETE = deleteFrom('scores');
const DELETE_ARCHIVED = deleteFrom('archived_standings');

/**
 * Deletes scores of deleted seasons: at most `limit` of one leaderboard.
 * @param removeBoards removes what else is kept of these boards; false if that must be tried again later
 * @returns whether there may be more to do
 */
export async function purgeScores(
  client: Queryable,
  limit: number,
  removeBoards: (boards: readonly BoardKey[]) => Promise<boolean> = async () => true,
): Promise<boolean> {
  const { rows } = await client.query<{ id: string; purged: number; through: number }>(UNPURGED);
  const [board] = rows;
  if (board === undefined) return false;
  const deleted = [board.id, board.through, limit];
  const scores = await client.query(DELETE, deleted);
  const archived = await client.query(DELETE_ARCHIVED, deleted);
  // Fewer than the limit may be left of rows that another transaction has just deleted.
  if (scores.rowCount === 0 && archived.rowCount === 0) {
    const { id, purged, through } = board;
    const seasons = Array.from({ length: through - purged }, (_, n) => boardKey(id, purged + 1 + n));
    if (!(await removeBoards(seasons))) return false;
    await client.query('UPDATE leaderboards SET purged_through = $2 WHERE id = $1', [
      board.id,
      board.through,
    ]);
  }
  return true;
}

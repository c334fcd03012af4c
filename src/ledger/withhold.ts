import { type BoardKey, boardKey } from '../board-key.js';
import type { BoardChange } from '../leaderboard/entry.js';
import type { Queryable } from '../postgres/database.js';
import { milliseconds } from '../postgres/sql.js';
import { BOARDS_WITH_ROW, isFinal, openForCorrection } from '../seasons/corrections.js';
import { fromUuid, toUuid } from '../stored-ids.js';
import { ruleIn } from './event-boards.js';

const CHANGED = `
RETURNING s.leaderboard_id AS leaderboard, s.season, s.user_id AS "userId", s.score,
          ${milliseconds('s.achieved_at')} AS "achievedAt", s.version`;

/** $1 a user. The condition on the version is that of the index. */
const WITHHOLD = `
UPDATE scores s
SET score = NULL, sort_key = NULL, achieved_at = now(), withheld_score = s.score, withheld_at = s.achieved_at,
    version = s.version + 1
WHERE s.user_id = $1 AND s.version > 0 AND s.score IS NOT NULL AND NOT ${isFinal('s')} ${CHANGED}`;
const GIVE_BACK = `
UPDATE scores s
SET score = s.withheld_score, sort_key = CASE ${ruleIn('sort', 'l', 's.season')} WHEN 'desc' THEN -s.withheld_score ELSE s.withheld_score END,
    achieved_at = s.withheld_at, withheld_score = NULL, withheld_at = NULL, version = s.version + 1
FROM leaderboards l
WHERE s.user_id = $1 AND s.version > 0 AND s.withheld_score IS NOT NULL AND s.score IS NULL
  AND l.id = s.leaderboard_id AND s.season > l.removed_through AND NOT ${isFinal('s')} ${CHANGED}`;

/** A row of `scores` as PostgreSQL has it. */
export type EntryRow = Omit<BoardChange, 'board'> & { readonly leaderboard: string; readonly season: number };

/**
 * Takes a user off all boards, or gives back its scores as the ledger then has them. A board shows the entries whose row has a
 * score, and a banned user's rows have none: RECORD_BATCH refuses its scores, and RECOMPUTE corrects what is withheld. The
 * lock of the user must be held.
 * @param amend whether that is done in seasons that are final too, which otherwise stay as they are
 */
export async function setWithheld(
  client: Queryable,
  userId: string,
  withheld: boolean,
  amend: boolean,
): Promise<BoardChange[]> {
  const user = [toUuid('usr', userId)];
  await openForCorrection(client, BOARDS_WITH_ROW, user, amend);
  const { rows } = await client.query<EntryRow>(withheld ? WITHHOLD : GIVE_BACK, user);
  return rows.map(boardChange);
}

export const boardChange = ({ leaderboard, season, userId, ...entry }: EntryRow): BoardChange => {
  const board: BoardKey = boardKey(leaderboard, season);
  return { board, userId: fromUuid('usr', userId), ...entry };
};

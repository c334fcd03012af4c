import { type Static, Type } from '@sinclair/typebox';
import { boardKey } from '../board-key.js';
import { addStandingJob, type JobKind } from '../jobs/job.js';
import type { Queryable } from '../postgres/database.js';

export const SeasonOf = Type.Object({ leaderboard: Type.String(), season: Type.Integer() });
export type SeasonOf = Static<typeof SeasonOf>;

/** Makes the standings of one season final. */
export const CLOSE_SEASON: JobKind<typeof SeasonOf> = {
  name: 'close-season',
  payload: SeasonOf,
  keyOf: ({ leaderboard, season }) => boardKey(leaderboard, season).text,
};

/** SQL: whether the season of the row `of`, of a board, is final. */
export const isFinal = (of: string): string => `
EXISTS (SELECT FROM seasons f WHERE f.leaderboard_id = ${of}.leaderboard_id AND f.season = ${of}.season AND f.state = 'final')`;

/** SQL: boards on which a user has a row, if only one without a score. $1 a user. The condition on the version is that of the index. */
export const BOARDS_WITH_ROW = 'SELECT leaderboard_id, season FROM scores WHERE user_id = $1 AND version > 0';

const ofBoards = (boards: string, condition: string): string => `
FROM seasons s WHERE (s.leaderboard_id, s.season) IN (${boards}) AND s.closed_at ${condition}
ORDER BY s.leaderboard_id, s.season`;

/** $1 leaderboards, $2 seasons. */
const REOPEN = `
UPDATE seasons s
SET state = 'closing', revision = s.revision + (s.state = 'final')::int, cursor = NULL, entries = NULL, digest = NULL, final_at = NULL
FROM unnest($1::text[], $2::int[]) b (leaderboard, season)
WHERE s.leaderboard_id = b.leaderboard AND s.season = b.season`;
const FORGET_MARKS = `
DELETE FROM season_marks m USING unnest($1::text[], $2::int[]) b (leaderboard, season)
WHERE m.leaderboard_id = b.leaderboard AND m.season = b.season`;

/**
 * Comes before each correction of scores, in its transaction. A season that takes scores is not closed before the correction is
 * committed. The closing of one that has ended begins anew after it. One that is final is opened only to be amended: it is closed
 * again then, with its next revision.
 * @param boards SQL: the boards that are to be corrected, by `leaderboard_id` and `season`
 * @returns those that are final, and must stay as they are
 */
export async function openForCorrection(
  client: Queryable,
  boards: string,
  values: readonly unknown[],
  amend: boolean,
): Promise<SeasonOf[]> {
  await client.query(`SELECT ${ofBoards(boards, 'IS NULL')} FOR KEY SHARE`, [...values]);
  // What has been closed between the two is found by the second.
  const { rows } = await client.query<SeasonOf & { isFinal: boolean }>(
    `SELECT s.leaderboard_id AS leaderboard, s.season, s.state = 'final' AS "isFinal"
     ${ofBoards(boards, 'IS NOT NULL')} FOR NO KEY UPDATE`,
    [...values],
  );
  const opened = rows.filter(({ isFinal: final }) => amend || !final);
  const keys = [opened.map(({ leaderboard }) => leaderboard), opened.map(({ season }) => season)];
  if (opened.length > 0) {
    await client.query(REOPEN, keys);
    await client.query(FORGET_MARKS, keys);
  }
  for (const { leaderboard, season } of opened)
    await addStandingJob(client, CLOSE_SEASON, { leaderboard, season });
  return rows.filter(({ isFinal: final }) => final && !amend);
}

import { createHash } from 'node:crypto';
import { boardKey } from '../board-key.js';
import type { Sort } from '../leaderboard/entry.js';
import { pages } from '../postgres/cursor.js';
import type { Queryable } from '../postgres/database.js';
import { milliseconds } from '../postgres/sql.js';
import { fromUuid } from '../stored-ids.js';
import { digestLine } from './standings-digest.js';
import type { Difference, Scope } from './verification-statements.js';

/** $1 a leaderboard or null, $2 a season or null. */
const FINAL_SEASONS = `
SELECT s.leaderboard_id AS leaderboard, s.season, s.entries, s.digest, coalesce(s.rules->>'sort', l.sort) AS sort
FROM seasons s JOIN leaderboards l ON l.id = s.leaderboard_id AND s.season > l.removed_through
WHERE s.state = 'final' AND ($1::text IS NULL OR s.leaderboard_id = $1) AND ($2::int IS NULL OR s.season = $2)
ORDER BY 1, 2`;
/** In the order of the board, each with the rank of the mark that it has. $1 a leaderboard, $2 a season. */
const STANDINGS = `
SELECT s.user_id AS user, s.score, ${milliseconds('s.achieved_at')} AS "achievedAt", m.rank AS mark
FROM scores s LEFT JOIN season_marks m
  ON m.leaderboard_id = s.leaderboard_id AND m.season = s.season AND m.user_id = s.user_id
     AND m.sort_key = s.sort_key AND m.achieved_at = s.achieved_at
WHERE s.leaderboard_id = $1 AND s.season = $2 AND s.score IS NOT NULL
ORDER BY CASE $3 WHEN 'desc' THEN -s.score ELSE s.score END, s.achieved_at, s.user_id`;
const MARKS = 'SELECT count(*) AS marks FROM season_marks WHERE leaderboard_id = $1 AND season = $2';

interface FinalRow {
  readonly leaderboard: string;
  readonly season: number;
  readonly entries: number;
  readonly digest: string;
  readonly sort: Sort;
}

/**
 * Makes the digests of final seasons again, all at once and from the scores themselves, and looks whether every mark is in its place.
 * @returns how many seasons are final
 */
export async function verifyDigests(
  client: Queryable,
  { leaderboard = null, season = null }: { [K in keyof Scope]: Scope[K] | null },
  tell: (difference: Difference) => void,
): Promise<number> {
  const { rows } = await client.query<FinalRow>(FINAL_SEASONS, [leaderboard, season]);
  for (const final of rows) {
    const hash = createHash('sha256');
    let rank = 0;
    let marks = 0;
    const values = [final.leaderboard, final.season];
    type Row = { user: string; score: number; achievedAt: number; mark: number | null };
    for await (const page of pages<Row>(client, 'standings', STANDINGS, [...values, final.sort])) {
      for (const { user, mark, ...entry } of page) {
        hash.update(digestLine({ ...entry, rank: ++rank, userId: fromUuid('usr', user) }));
        if (mark === rank) marks++;
      }
    }
    const of = boardKey(final.leaderboard, final.season).text;
    const digest = hash.digest('hex');
    if (digest !== final.digest || rank !== final.entries)
      tell({ of, stored: text(final.digest, final.entries), ledger: text(digest, rank) });
    const stored = (await client.query<{ marks: number }>(MARKS, values)).rows[0]?.marks;
    if (stored !== marks)
      tell({ of, stored: `${stored} marks`, ledger: `that ${marks} of them are in their place` });
  }
  return rows.length;
}

const text = (digest: string, entries: number): string => `the digest ${digest} of ${entries} entries`;

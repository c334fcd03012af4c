import { createHash, type Hash } from 'node:crypto';
import { boardKey } from '../board-key.js';
import { getOrMake } from '../get-or-make.js';
import { pages } from '../postgres/cursor.js';
import type { Queryable } from '../postgres/database.js';
import { milliseconds } from '../postgres/sql.js';
import { fromUuid } from '../stored-ids.js';
import { digestLine } from './standings-digest.js';
import type { Difference, Scope } from './verification-statements.js';

/** $1 a leaderboard or null, $2 a season or null. */
const FINAL_SEASONS = `
SELECT s.leaderboard_id AS leaderboard, s.season, s.entries, s.digest
FROM seasons s JOIN leaderboards l ON l.id = s.leaderboard_id AND s.season > l.removed_through
WHERE s.state = 'final' AND ($1::text IS NULL OR s.leaderboard_id = $1) AND ($2::int IS NULL OR s.season = $2)
ORDER BY 1, 2`;
/**
 * Season by season, each in the order of the board, and every entry with the rank of the mark that it has. $1 a leaderboard, $2 and $3 its
 * first and last season, which may have seasons in between that are not final.
 */
const STANDINGS = `
SELECT s.season, s.user_id AS user, s.score, ${milliseconds('s.achieved_at')} AS "achievedAt", m.rank AS mark
FROM scores s
JOIN seasons f ON f.leaderboard_id = s.leaderboard_id AND f.season = s.season AND f.state = 'final'
JOIN leaderboards l ON l.id = s.leaderboard_id
LEFT JOIN season_marks m
  ON m.leaderboard_id = s.leaderboard_id AND m.season = s.season AND m.season BETWEEN $2 AND $3 AND m.user_id = s.user_id
     AND m.sort_key = s.sort_key AND m.achieved_at = s.achieved_at
WHERE s.leaderboard_id = $1 AND s.season BETWEEN $2 AND $3 AND s.score IS NOT NULL
ORDER BY s.season, CASE coalesce(f.rules->>'sort', l.sort) WHEN 'desc' THEN -s.score ELSE s.score END, s.achieved_at, s.user_id`;
const MARKS = `
SELECT season, count(*) AS marks FROM season_marks WHERE leaderboard_id = $1 AND season BETWEEN $2 AND $3 GROUP BY season`;

/** Seasons that are gone through by one query, and the entries that these may have together: PostgreSQL sorts them. */
const SEASONS_AT_ONCE = 10_000;
const ENTRIES_AT_ONCE = 1_000_000;

interface FinalRow {
  readonly leaderboard: string;
  readonly season: number;
  readonly entries: number;
  readonly digest: string;
}

interface Row {
  readonly season: number;
  readonly user: string;
  readonly score: number;
  readonly achievedAt: number;
  readonly mark: number | null;
}

/** What a season comes to as its entries are gone through. */
interface Recount {
  readonly hash: Hash;
  entries: number;
  marks: number;
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
  for (const seasons of together(rows)) await verifySeasons(client, seasons, tell);
  return rows.length;
}

/** Neighbouring seasons of one leaderboard, as many as one query may go through. */
function* together(rows: readonly FinalRow[]): Generator<readonly FinalRow[]> {
  let seasons: FinalRow[] = [];
  let entries = 0;
  for (const row of rows) {
    const isTooMuch = seasons.length >= SEASONS_AT_ONCE || entries + row.entries > ENTRIES_AT_ONCE;
    if (seasons.length > 0 && (isTooMuch || seasons[0]?.leaderboard !== row.leaderboard)) {
      yield seasons;
      seasons = [];
      entries = 0;
    }
    seasons.push(row);
    entries += row.entries;
  }
  if (seasons.length > 0) yield seasons;
}

async function verifySeasons(
  client: Queryable,
  seasons: readonly FinalRow[],
  tell: (difference: Difference) => void,
): Promise<void> {
  const [first] = seasons;
  if (first === undefined) return;
  const values = [first.leaderboard, first.season, seasons.at(-1)?.season];
  const recounts = new Map<number, Recount>();
  for await (const page of pages<Row>(client, 'standings', STANDINGS, values)) {
    for (const { season, user, mark, ...entry } of page) {
      const recount = getOrMake(recounts, season, newRecount);
      recount.entries++;
      recount.hash.update(digestLine({ ...entry, rank: recount.entries, userId: fromUuid('usr', user) }));
      if (mark === recount.entries) recount.marks++;
    }
  }
  const stored = await client.query<{ season: number; marks: number }>(MARKS, values);
  const marksOf = new Map(stored.rows.map(({ season, marks }) => [season, marks]));
  for (const final of seasons) {
    const { hash, entries, marks } = recounts.get(final.season) ?? newRecount();
    const of = boardKey(final.leaderboard, final.season).text;
    const digest = hash.digest('hex');
    if (digest !== final.digest || entries !== final.entries)
      tell({ of, stored: text(final.digest, final.entries), ledger: text(digest, entries) });
    const storedMarks = marksOf.get(final.season) ?? 0;
    if (storedMarks !== marks)
      tell({ of, stored: `${storedMarks} marks`, ledger: `that ${marks} of them are in their place` });
  }
}

const newRecount = (): Recount => ({ hash: createHash('sha256'), entries: 0, marks: 0 });

const text = (digest: string, entries: number): string => `the digest ${digest} of ${entries} entries`;

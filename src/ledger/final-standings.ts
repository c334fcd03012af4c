import { announce } from '../changes/change.js';
import { newId } from '../ids.js';
import { ENTRY_ORDER, type Sort, sortKey } from '../leaderboard/entry.js';
import type { Queryable } from '../postgres/database.js';
import { finiteRfc3339, milliseconds, rfc3339, timestampAt } from '../postgres/sql.js';
import type { SeasonOf } from '../seasons/corrections.js';
import { fromUuid, withIds } from '../stored-ids.js';
import { publish } from '../webhooks/publish.js';
import { type FinalEntry, StandingsDigest } from './standings-digest.js';

/** How large a bite is, and how many entries there are from one that is marked to the next. */
export interface BiteSizes {
  readonly entries: number;
  readonly markEvery: number;
}
export const BITE_SIZES: BiteSizes = { entries: 5_000, markEvery: 1_000 };

const WINNERS = 10;

interface Cursor {
  /** Of the last entry that was seen, which is the position as well. */
  readonly rank: number;
  readonly sortKey: number;
  readonly achievedAt: number;
  readonly user: string;
  /** What the digest is so far. */
  readonly digest: string;
}

/** What is known of a season that is being closed. */
export interface ClosingSeason {
  /** Whether the board takes nothing of it any more. */
  readonly isClosed: boolean;
  /** Whether an event was published that it went by without a score. */
  readonly isSkipped: boolean;
  readonly cursor: Cursor | null;
  readonly sort: Sort;
  readonly revision: number;
  readonly label: string | null;
  readonly startsAt: string | null;
  readonly endsAt: string;
}

/** A season that is to be closed. $1 a leaderboard, $2 a season. */
export const CLOSING_SEASON = `
SELECT s.closed_at IS NOT NULL AS "isClosed", s.is_skipped AS "isSkipped", s.cursor, coalesce(s.rules->>'sort', l.sort) AS sort, s.revision, s.label,
       ${finiteRfc3339('s.starts_at')} AS "startsAt", ${rfc3339('s.ends_at')} AS "endsAt"
FROM seasons s JOIN leaderboards l ON l.id = s.leaderboard_id
WHERE s.leaderboard_id = $1 AND s.season = $2 AND s.state = 'closing' AND s.season > l.removed_through`;
/** $3 to $5 behind which entry, $6 its rank, $7 how many, $8 which are marked. A line an entry, because parsing rows costs the client more than everything else. */
const NEXT_BITE = `
WITH page AS MATERIALIZED (
  SELECT ${ENTRY_ORDER}, $6::bigint + row_number() OVER (ORDER BY ${ENTRY_ORDER}) AS rank
  FROM (SELECT ${ENTRY_ORDER} FROM scores WHERE leaderboard_id = $1 AND season = $2 AND score IS NOT NULL
          AND (${ENTRY_ORDER}) > ($3::bigint, ${timestampAt('$4::float8')}, $5::uuid)
        ORDER BY ${ENTRY_ORDER} LIMIT $7) s
), marked AS (
  INSERT INTO season_marks (leaderboard_id, season, rank, sort_key, achieved_at, user_id)
  SELECT $1, $2, rank, sort_key, achieved_at, user_id FROM page WHERE rank % $8 = 0
)
SELECT string_agg(concat_ws(' ', user_id, ${milliseconds('achieved_at')}, sort_key), E'\\n' ORDER BY rank) AS lines FROM page`;
/** Before all entries: the lowest score is −(2^53 − 1). */
const START = {
  rank: 0,
  sortKey: -(2 ** 53),
  achievedAt: 0,
  user: '00000000-0000-0000-0000-000000000000',
  digest: null,
} as const;
const KEEP_CURSOR = 'UPDATE seasons SET cursor = $3 WHERE leaderboard_id = $1 AND season = $2';

/** $3 entries, $4 the digest. */
const FINISH = `
UPDATE seasons SET state = 'final', entries = $3, digest = $4, final_at = now(), cursor = NULL
WHERE leaderboard_id = $1 AND season = $2`;
const TOP = `
SELECT user_id AS "userId", score FROM scores WHERE leaderboard_id = $1 AND season = $2 AND score IS NOT NULL
ORDER BY ${ENTRY_ORDER} LIMIT ${WINNERS}`;

/** Goes through some more entries. @returns whether these were the last */
export async function nextBite(
  client: Queryable,
  { leaderboard, season: number }: SeasonOf,
  season: ClosingSeason,
  writer: string,
  sizes: BiteSizes,
): Promise<boolean> {
  const of = [leaderboard, number];
  const cursor = season.cursor ?? START;
  const { rows } = await client.query<{ lines: string | null }>(NEXT_BITE, [
    ...of,
    cursor.sortKey,
    cursor.achievedAt,
    cursor.user,
    cursor.rank,
    sizes.entries,
    sizes.markEvery,
  ]);
  const lines = rows[0]?.lines?.split('\n') ?? [];
  const entries = lines.map((line, i): FinalEntry & { user: string; key: number } => {
    const [user = '', achievedAt, key] = line.split(' ');
    return {
      rank: cursor.rank + i + 1,
      user,
      userId: fromUuid('usr', user),
      key: Number(key),
      score: sortKey(season.sort, Number(key)),
      achievedAt: Number(achievedAt),
    };
  });
  const digest = await StandingsDigest.resume(cursor.digest);
  digest.add(entries);
  const last = entries.at(-1);
  if (last !== undefined && entries.length === sizes.entries) {
    const { rank, key, achievedAt, user } = last;
    const next: Cursor = { rank, sortKey: key, achievedAt, user, digest: digest.save() };
    await client.query(KEEP_CURSOR, [...of, JSON.stringify(next)]);
    return false;
  }
  const total = last?.rank ?? cursor.rank;
  const result = digest.end();
  await client.query(FINISH, [...of, total, result]);
  const top = await client.query<{ userId: string; score: number }>(TOP, of);
  const { label, startsAt, endsAt, revision } = season;
  // One that was missed is in the event of all of them, unless a late score was in time for it.
  if (!season.isSkipped || total > 0)
    await publish(client, {
      type: 'season.final',
      data: {
        leaderboard,
        season: number,
        label,
        startsAt,
        endsAt,
        entries: total,
        digest: result,
        revision,
        top: withIds(top.rows, { userId: 'usr' }).map((place, i) => ({ rank: i + 1, ...place })),
      },
    });
  await announce(client, { type: 'season-final', id: newId('chg'), writer, leaderboard, season: number });
  return true;
}

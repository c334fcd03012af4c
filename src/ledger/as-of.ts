import { setImmediate as turn } from 'node:timers/promises';
import type pg from 'pg';
import { CLOCK_SLACK_MS } from '../ids.js';
import { hasScore, type Sort } from '../leaderboard/entry.js';
import { parseEntries } from '../leaderboard/entry-pages.js';
import { RankIndex } from '../leaderboard/rank-index/rank-index.js';
import { transact } from '../postgres/database.js';
import { achievedAt } from '../postgres/events-of-user.js';
import { firstKey } from '../postgres/partitions.js';
import { milliseconds, timestampAt } from '../postgres/sql.js';
import { staysBest } from './old-events.js';
import { WITHHELD_USERS } from './withheld.js';

/** A season of a leaderboard, and its rules. */
export interface RuledSeason {
  readonly leaderboard: string;
  readonly season: number;
  readonly sort: Sort;
  readonly operator: 'increment' | 'best' | 'latest';
  /** In milliseconds since 1970, or −Infinity. */
  readonly startsAt: number;
}

/** The entries of a board at a moment. */
export interface PastEntries {
  readonly index: RankIndex;
  /** By user: how many of the events that counted then were voided since. */
  readonly voided: ReadonlyMap<string, number>;
  readonly bytes: number;
}

/** How long PostgreSQL may take. */
const COMPUTED_WITHIN_MS = 10_000;
const ENTRIES_A_LINE = 2_000;
const LINES_A_READ = 8;
/** The first read waits until all is computed: longer than other queries may take. */
const READ = { text: `FETCH ${LINES_A_READ} FROM past`, query_timeout: COMPUTED_WITHIN_MS + 2_000 };

/**
 * What counted for the board $1 in its season $2 at the time $3 (in milliseconds): events between the ids $4 and $5, and what is
 * archived. What is the same for all events is computed once, in queries of its own. $6 is the first id in the audit behind that
 * time: what was decided from there on had not happened yet.
 */
const COUNTED = `
SELECT e.user_id, e.points, e.accepted_at, ${achievedAt('e')} AS achieved_at, e.id, e.status = 'voided' AS voided
FROM score_events e
WHERE e.id >= greatest($4::uuid, (SELECT carried_before FROM archive_progress)) AND e.id < $5
  AND e.accepted_at <= (SELECT ${timestampAt('$3::float8')}) AND e.boards @> (SELECT jsonb_build_object($1::text, $2::int))
  AND (e.status = 'counted' OR e.status = 'voided' AND e.voided_by >= $6)
  AND (e.hold_ended_by IS NULL OR e.hold_ended_by < $6)`;
const ARCHIVED =
  'SELECT user_id, points, achieved_at FROM archived_standings WHERE leaderboard_id = $1 AND season = $2';

const signed = (sort: Sort, score: string): string => (sort === 'desc' ? `-(${score})` : score);
const VOIDED = 'count(*) FILTER (WHERE voided) AS voided';

/** What the events of each user make, as `user_id`, `score`, `achieved_at` and `voided`. */
const MADE: Readonly<Record<RuledSeason['operator'], (sort: Sort) => string>> = {
  increment: () => `
    SELECT user_id, coalesce(e.points, 0) + coalesce(a.points, 0) AS score,
           coalesce(greatest(e.changed_at, a.achieved_at), e.first_at) AS achieved_at, coalesce(e.voided, 0) AS voided
    FROM (SELECT user_id, sum(points) AS points, max(achieved_at) FILTER (WHERE points <> 0) AS changed_at,
                 min(achieved_at) AS first_at, ${VOIDED} FROM (${COUNTED}) c GROUP BY user_id) e
    FULL JOIN (${ARCHIVED}) a USING (user_id)`,
  // The best points, which were first, and when they were achieved, as one value that can be compared.
  best: (sort) => `
    SELECT user_id, CASE WHEN k.stays THEN a.points ELSE e.points END AS score,
           CASE WHEN k.stays THEN a.achieved_at ELSE e.achieved_at END AS achieved_at, coalesce(e.voided, 0) AS voided
    FROM (SELECT user_id, ${signed(sort, 'best[1]')} AS points, ${timestampAt('best[3]')} AS achieved_at, voided
          FROM (SELECT user_id, ${VOIDED}, min(ARRAY[${signed(sort, 'points')}, ${milliseconds('accepted_at')}::bigint,
                                               ${milliseconds('achieved_at')}::bigint]) AS best
                FROM (${COUNTED}) c GROUP BY user_id) b) e
    FULL JOIN (${ARCHIVED}) a USING (user_id),
    LATERAL (SELECT a.points IS NOT NULL AND ${staysBest(`'${sort}'`, 'a.points', 'e.points')} AS stays) k`,
  latest: () => `
    SELECT user_id, coalesce(e.points, a.points) AS score,
           coalesce(e.changed_at, CASE WHEN e.first_points IS NULL OR e.first_points = a.points THEN a.achieved_at END, e.first_at) AS achieved_at,
           coalesce(e.voided, 0) AS voided
    FROM (SELECT user_id, max(points) FILTER (WHERE is_last) AS points, min(achieved_at) AS first_at,
                 max(points) FILTER (WHERE before IS NULL) AS first_points,
                 max(achieved_at) FILTER (WHERE points <> before) AS changed_at, ${VOIDED}
          FROM (SELECT *, lag(points) OVER in_time AS before, lead(id) OVER in_time IS NULL AS is_last
                FROM (${COUNTED}) c WINDOW in_time AS (PARTITION BY user_id ORDER BY accepted_at, id)) s
          GROUP BY user_id) e
    FULL JOIN (${ARCHIVED}) a USING (user_id)`,
};

/** The entries in their order, many a line as entry-pages.ts reads them, with the number of voided events for a version. */
const entriesSql = ({ sort, operator }: RuledSeason): string => `
SELECT string_agg(concat_ws(' ', user_id, voided, ${milliseconds('achieved_at')}::bigint, sort_key), E'\\n' ORDER BY n) AS lines
FROM (
  SELECT *, row_number() OVER (ORDER BY sort_key, achieved_at, user_id) - 1 AS n
  FROM (SELECT user_id, ${signed(sort, 'score')}::bigint AS sort_key, achieved_at, voided FROM (${MADE[operator](sort)}) m) keyed
  WHERE user_id NOT IN (${WITHHELD_USERS} UNION ALL SELECT id FROM users WHERE erased_at IS NOT NULL)
) ranked
GROUP BY n / ${ENTRIES_A_LINE} ORDER BY n / ${ENTRIES_A_LINE}`;

/** These read a large part of the ledger at once: what suits one user's events does not suit them. */
const SETTINGS = `
SET LOCAL statement_timeout = ${COMPUTED_WITHIN_MS}; SET LOCAL enable_seqscan = on; SET LOCAL work_mem = '128MB';
SET LOCAL jit = off; SET LOCAL cursor_tuple_fraction = 1`;

/**
 * The entries of a season as they were at a time, computed from its events. Users who are banned, hidden or erased now are left out.
 * @param at in milliseconds since 1970, not before the events that are archived
 * @throws what PostgreSQL fails with, also if it takes too long
 */
export function entriesAsOf(pool: pg.Pool, board: RuledSeason, at: number): Promise<PastEntries> {
  return transact(pool, async (client) => {
    await client.query(SETTINGS);
    const { leaderboard, season, sort, startsAt } = board;
    const from = firstKey('evt', Math.max(startsAt - CLOCK_SLACK_MS, 0));
    const until = firstKey('evt', at + CLOCK_SLACK_MS);
    await client.query(`DECLARE past NO SCROLL CURSOR FOR ${entriesSql(board)}`, [
      leaderboard,
      season,
      at,
      from,
      until,
      firstKey('aud', at + 1),
    ]);
    const index = new RankIndex(sort);
    const voided = new Map<string, number>();
    for (let reading = client.query<{ lines: string }>(READ); ; ) {
      const { rows } = await reading;
      // PostgreSQL makes the next lines while these are taken in. What it fails with is thrown when they are waited for.
      if (rows.length === LINES_A_READ) {
        reading = client.query(READ);
        reading.catch(() => {});
      }
      for (const { lines } of rows) {
        const entries = parseEntries(sort, lines).filter(hasScore);
        index.append(entries);
        for (const { userId, version } of entries) if (version > 0) voided.set(userId, version);
        await turn();
      }
      if (rows.length < LINES_A_READ) break;
    }
    return { index, voided, bytes: index.bytes + BYTES_A_VOIDED * voided.size };
  });
}

/** A line of the map, as V8 keeps it, with its text. */
const BYTES_A_VOIDED = 120;

import type { BoardKey } from '../board-key.js';
import type { Queryable } from '../postgres/database.js';
import { timestampAt, timestampOr } from '../postgres/sql.js';
import { fromUuid, toUuid, toUuids } from '../stored-ids.js';
import {
  type Entry,
  type RankChange,
  type RankedEntry,
  type ScoredChange,
  type Sort,
  sortKey,
} from './entry.js';
import { newEpoch } from './epoch.js';
import type { Board, BoardReader, Counts, Mark, Page, Placement } from './projection.js';

/** The columns of the index that holds a board in its order, whichever way it sorts. */
const ORDER = '(s.sort_key, s.achieved_at, s.user_id)';
const ASCENDING = 's.sort_key, s.achieved_at, s.user_id';
const DESCENDING = 's.sort_key DESC, s.achieved_at DESC, s.user_id DESC';
/** Includes removed entries, which have no score: with any further condition the planner would not use the primary key. */
const ROWS = 'scores s WHERE s.leaderboard_id = $1 AND s.season = $2';
/** The condition is that of the index. */
const BOARD = `${ROWS} AND s.score IS NOT NULL`;
const FIRST_UUID = '00000000-0000-0000-0000-000000000000';
const LAST_UUID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** The position of the mark `m`, or that before all entries if there is none. */
const BEHIND_MARK = `coalesce(m.sort_key, -9223372036854775808), coalesce(m.achieved_at, '-infinity'), coalesce(m.user_id, '${FIRST_UUID}')`;

/**
 * How many entries stand before a position or at it, counted from the last mark before it: every thousandth entry of a season that
 * is final has one. There is no other way to know it but to count.
 */
const countThrough = (position: string, leaderboard: string, season: string): string => `(
  SELECT coalesce(m.rank, 0) + (
    SELECT count(*) FROM scores s
    WHERE s.leaderboard_id = ${leaderboard} AND s.season = ${season} AND s.score IS NOT NULL
      AND ${ORDER} > (${BEHIND_MARK})
      AND ${ORDER} <= (${position}))
  FROM (VALUES (1)) one LEFT JOIN LATERAL (
    SELECT * FROM season_marks k
    WHERE k.leaderboard_id = ${leaderboard} AND k.season = ${season}
      AND (k.sort_key, k.achieved_at, k.user_id) <= (${position})
    ORDER BY k.sort_key DESC, k.achieved_at DESC, k.user_id DESC LIMIT 1
  ) m ON true)`;

/** The rank of the entry `of`. */
export const rankOf = (of: string, leaderboard: string, season: string): string =>
  countThrough(`${of}.sort_key, ${of}.achieved_at, ${of}.user_id`, leaderboard, season);
/** The rank that it shares with the entries of its score, from the marks of a season that is final. */
export const sharedRankOf = (of: string, leaderboard: string, season: string): string =>
  `1 + ${countThrough(`${of}.sort_key, '-infinity'::timestamptz, '${FIRST_UUID}'::uuid`, leaderboard, season)}`;

const RANK = rankOf('f', '$1', '$2');
/** Without marks it is less to count the ties before the entry, whose rank is known. */
const SHARED_RANK = `
CASE WHEN board.revision IS NOT NULL THEN ${sharedRankOf('f', '$1', '$2')}
     ELSE f.rank - (SELECT count(*) FROM ${BOARD} AND s.sort_key = f.sort_key
                      AND (s.achieved_at, s.user_id) < (f.achieved_at, f.user_id)) END`;
/** A season that is final knows how many entries it has. Its revision is null as long as it is not. */
const TOTAL = `(
  SELECT coalesce(f.entries, (SELECT count(*) FROM ${BOARD})) AS total, f.revision, o.rules->>'sort' AS sort
  FROM (VALUES (1)) one
  LEFT JOIN seasons o ON o.leaderboard_id = $1 AND o.season = $2
  LEFT JOIN LATERAL (SELECT o.entries, o.revision WHERE o.state = 'final') f ON true)`;

/**
 * All that the index has: pages of an old season are seldom in memory, and each row of the table would be read from another one. The
 * score is that of the sort key.
 */
const KEYS = 's.sort_key, s.achieved_at, s.user_id';
const TOP = `SELECT ${KEYS} FROM ${BOARD} ORDER BY ${ASCENDING} LIMIT $3`;
/** $3 the user, $4 how many above, $5 how many below. */
const WINDOW = `
SELECT near.* FROM (SELECT ${KEYS} FROM ${ROWS} AND s.user_id = $3) own, LATERAL (
  (SELECT ${KEYS} FROM ${BOARD} AND ${ORDER} < (own.sort_key, own.achieved_at, own.user_id) ORDER BY ${DESCENDING} LIMIT $4)
  UNION ALL
  (SELECT ${KEYS} FROM ${BOARD} AND ${ORDER} >= (own.sort_key, own.achieved_at, own.user_id) ORDER BY ${ASCENDING} LIMIT $5 + 1)
) near`;
/** $3 how many before a position, $4 how many behind it; $5 to $7 the position, $8 whether an entry that is there counts as before it. */
const POSITION = `($5::bigint, ${timestampOr('$6')}, $7::uuid)`;
const NEAR = `
SELECT near.* FROM (
  (SELECT ${KEYS} FROM ${BOARD} AND ${ORDER} <= ${POSITION} AND ($8 OR ${ORDER} <> ${POSITION}) ORDER BY ${DESCENDING} LIMIT $3)
  UNION ALL
  (SELECT ${KEYS} FROM ${BOARD} AND ${ORDER} >= ${POSITION} AND NOT ($8 AND ${ORDER} = ${POSITION}) ORDER BY ${ASCENDING} LIMIT $4)
) near`;

/** Entries that follow one another: only the ranks of the first, `f`, are counted. */
const consecutive = (part: string, rank = RANK): string => `
WITH board AS MATERIALIZED ${TOTAL}, part AS MATERIALIZED (${part}), ranked AS MATERIALIZED (
  SELECT f.*, ${rank} AS rank FROM (SELECT * FROM part s ORDER BY ${ASCENDING} LIMIT 1) f
), first AS MATERIALIZED (
  SELECT f.rank, ${SHARED_RANK} AS shared_rank, f.sort_key FROM ranked f, board
)
SELECT board.total, board.revision, board.sort, s.user_id AS "userId", s.sort_key AS "sortKey", s.achieved_at AS "achievedAt",
       f.rank - 1 + row_number() OVER (ORDER BY ${ASCENDING}) AS rank,
       CASE WHEN s.sort_key = f.sort_key THEN f.shared_rank
            ELSE f.rank - 1 + rank() OVER (ORDER BY s.sort_key) END AS "sharedRank"
FROM board LEFT JOIN (part s CROSS JOIN first f) ON true
ORDER BY ${ASCENDING}`;

const PAGE = consecutive(TOP);
const AROUND = consecutive(WINDOW);
/** Each row says the sort key of the first entry too. */
const PLACEMENT = `
SELECT p.*, (SELECT s.sort_key FROM ${BOARD} ORDER BY ${ASCENDING} LIMIT 1) AS "bestKey" FROM (${consecutive(WINDOW)}) p
ORDER BY p.rank`;
const BESIDE = consecutive(NEAR);
/** $3 from which place on, $4 how many: all before are counted, but for those before the last mark. */
const SLICE = consecutive(
  `
SELECT page.* FROM (VALUES (1)) one LEFT JOIN LATERAL (
  SELECT * FROM season_marks WHERE leaderboard_id = $1 AND season = $2 AND rank <= $3 ORDER BY rank DESC LIMIT 1
) m ON true, LATERAL (
  SELECT ${KEYS} FROM ${BOARD} AND ${ORDER} > (${BEHIND_MARK})
  ORDER BY ${ASCENDING} OFFSET $3 - coalesce(m.rank, 0) LIMIT $4
) page`,
  '$3::bigint + 1',
);
/** $3 sort keys, ascending. Each count goes on where the one before has ended, or from the last mark. */
const COUNT_THROUGH = `
SELECT board.total, board.revision,
       (SELECT coalesce(json_agg(counted.count ORDER BY counted.ordinal), '[]') FROM (
          SELECT k.ordinal, coalesce(k.rank + k.more, sum(k.more) OVER (ORDER BY k.ordinal)) AS count
          FROM (
            SELECT a.ordinal, m.rank,
                   (SELECT count(*) FROM ${BOARD} AND s.sort_key <= a.key
                      AND ${ORDER} > (coalesce(m.sort_key, a.last, -9223372036854775808), coalesce(m.achieved_at, 'infinity'),
                                      coalesce(m.user_id, '${LAST_UUID}'))) AS more
            FROM (SELECT key, ordinal, lag(key) OVER (ORDER BY ordinal) AS last
                  FROM unnest($3::bigint[]) WITH ORDINALITY AS t (key, ordinal)) a
            LEFT JOIN LATERAL (
              SELECT * FROM season_marks WHERE leaderboard_id = $1 AND season = $2 AND sort_key <= a.key
              ORDER BY sort_key DESC, achieved_at DESC, user_id DESC LIMIT 1
            ) m ON true) k) counted) AS counts
FROM ${TOTAL} board`;
const MANY = `
WITH board AS MATERIALIZED ${TOTAL}, found AS MATERIALIZED (
  SELECT f.*, ${RANK} AS rank FROM (SELECT ${KEYS} FROM ${ROWS} AND s.user_id = ANY ($3::uuid[])) f
)
SELECT board.total, board.revision, board.sort, f.user_id AS "userId", f.sort_key AS "sortKey", f.achieved_at AS "achievedAt", f.rank,
       ${SHARED_RANK} AS "sharedRank"
FROM board LEFT JOIN found f ON true
ORDER BY rank`;

/** $1 leaderboards, $2 seasons. */
const TOTALS = `
SELECT (SELECT count(*) FROM scores s
        WHERE s.leaderboard_id = b.leaderboard AND s.season = b.season AND s.score IS NOT NULL) AS total
FROM unnest($1::text[], $2::int[]) WITH ORDINALITY AS b (leaderboard, season, ordinal) ORDER BY ordinal`;

/** Index entries that are counted for the ranks of one batch: some 80 ms of PostgreSQL at most. */
const COUNTED_AT_MOST = 1_000_000;
/** How many other entries stand before a position, or null if they are more than $8. */
const before = (key: string, at: string): string => `(
  SELECT CASE WHEN count(*) <= $8 THEN count(*) END FROM (
    SELECT FROM scores s
    WHERE s.leaderboard_id = p.leaderboard AND s.season = p.season AND s.score IS NOT NULL
      AND ${ORDER} < (${key}, ${timestampAt(at)}, p.user_id) AND s.user_id <> p.user_id
    LIMIT $8 + 1) counted)`;
/** $1 leaderboards, $2 seasons, $3 users, $4 and $5 sort keys and times, $6 and $7 those before or null. */
const RANKS = `
SELECT 1 + ${before('p.sort_key', 'p.achieved_at')} AS rank,
       CASE WHEN p.previous_key IS NOT NULL THEN 1 + ${before('p.previous_key', 'p.previous_at')} END AS "previousRank"
FROM unnest($1::text[], $2::int[], $3::uuid[], $4::bigint[], $5::float8[], $6::bigint[], $7::float8[])
  WITH ORDINALITY AS p (leaderboard, season, user_id, sort_key, achieved_at, previous_key, previous_at, ordinal)
ORDER BY ordinal`;

type Row = {
  readonly total: number;
  readonly revision: number | null;
  /** How the season sorts; null if PostgreSQL does not know it. */
  readonly sort: Sort | null;
} & (
  | { readonly userId: null }
  | {
      readonly userId: string;
      readonly sortKey: number | null;
      readonly achievedAt: number;
      readonly rank: number;
      readonly sharedRank: number;
    }
);

/**
 * A board read straight from PostgreSQL: always right, each read in one snapshot, but unless its season is final a rank costs a
 * count of the entries above it. Used for such seasons, and while a projection is not ready.
 */
export class PostgresBoard implements BoardReader {
  readonly #board: Board;
  readonly #database: Queryable;
  readonly #final: Pick<Page, 'epoch' | 'version'> | null;
  readonly #epoch = newEpoch();
  /** Each read counts as newer, since nobody knows whether the board has changed in between. */
  #version = 0;

  /** @param final what to call the state of a board that does not change any more, unless it was amended meanwhile */
  constructor(board: Board, database: Queryable, final: Pick<Page, 'epoch' | 'version'> | null = null) {
    this.#board = board;
    this.#database = database;
    this.#final = final;
  }

  page(limit: number, after?: Entry): Promise<Page> {
    return after === undefined ? this.#read(PAGE, [limit]) : this.near({ after }, 0, limit);
  }

  slice(start: number, limit: number): Promise<Page> {
    return this.#read(SLICE, [start, limit]);
  }

  near(mark: Mark, before: number, behind: number): Promise<Page> {
    return this.#read(BESIDE, [before, behind, ...positionOf(this.#board.sort, mark)]);
  }

  async countThrough(scores: readonly number[]): Promise<Counts> {
    const { leaderboard, season } = this.#board.key;
    const keys = scores.map((score) => sortKey(this.#board.sort, score));
    const ascending = [...new Set(keys)].sort((a, b) => a - b);
    const { rows } = await this.#database.query<Counts>(COUNT_THROUGH, [leaderboard, season, ascending]);
    const [{ total, counts } = { total: 0, counts: [] }] = rows;
    const through = new Map(ascending.map((key, i) => [key, counts[i] ?? 0]));
    return { total, counts: keys.map((key) => through.get(key) ?? 0) };
  }

  async placement(userId: string): Promise<Placement | null> {
    const rows = await this.#rows<Row & { readonly bestKey: number }>(PLACEMENT, [
      toUuid('usr', userId),
      1,
      0,
    ]);
    const { total, entries } = this.#page(rows);
    const entry = entries.at(-1);
    const [row] = rows;
    if (entry === undefined || row === undefined) return null;
    const best = sortKey(row.sort ?? this.#board.sort, row.bestKey);
    return { total, entry, above: entries.at(-2) ?? null, best };
  }

  async around(userId: string, radius: number): Promise<Page | null> {
    const page = await this.#read(AROUND, [toUuid('usr', userId), radius, radius]);
    return page.entries.length === 0 ? null : page;
  }

  many(userIds: readonly string[]): Promise<Page> {
    return this.#read(MANY, [toUuids('usr', userIds)]);
  }

  async #read(text: string, values: unknown[]): Promise<Page> {
    return this.#page(await this.#rows(text, values));
  }

  async #rows<R extends Row>(text: string, values: unknown[]): Promise<R[]> {
    const { leaderboard, season } = this.#board.key;
    return (await this.#database.query<R>(text, [leaderboard, season, ...values])).rows;
  }

  #page(rows: readonly Row[]): Page {
    const entries = rows.flatMap((row): RankedEntry[] =>
      row.userId === null || row.sortKey === null
        ? []
        : [
            {
              rank: row.rank,
              sharedRank: row.sharedRank,
              userId: fromUuid('usr', row.userId),
              score: sortKey(row.sort ?? this.#board.sort, row.sortKey),
              achievedAt: row.achievedAt,
            },
          ],
    );
    const [first] = rows;
    const isAsKnown = this.#final !== null && first?.revision === this.#final.version;
    const position = isAsKnown ? this.#final : { epoch: this.#epoch, version: ++this.#version };
    return { ...position, total: first?.total ?? 0, entries };
  }
}

/** A mark as parameters: sort key, time and user, and whether an entry that is there is before it. A time is null at infinity. */
function positionOf(sort: Sort, mark: Mark): unknown[] {
  if ('above' in mark) return [sortKey(sort, mark.above) - 1, null, LAST_UUID, true];
  if ('below' in mark) return [sortKey(sort, mark.below), null, LAST_UUID, true];
  const isBefore = 'after' in mark;
  const { score, achievedAt, userId } = isBefore ? mark.after : mark.before;
  return [sortKey(sort, score), achievedAt, toUuid('usr', userId), isBefore];
}

/** How many entries each of these boards has. */
export async function countEntries(database: Queryable, boards: readonly BoardKey[]): Promise<number[]> {
  if (boards.length === 0) return [];
  const { rows } = await database.query<{ total: number }>(TOTALS, [
    boards.map(({ leaderboard }) => leaderboard),
    boards.map(({ season }) => season),
  ]);
  return rows.map(({ total }) => total);
}

/**
 * The ranks of committed scores on boards of which no projection is ready: one query for all. A rank is null where more
 * entries would have to be counted than a write may wait for.
 */
export async function countRanks(
  database: Queryable,
  changes: readonly (ScoredChange & { readonly sort: Sort })[],
): Promise<RankChange[]> {
  if (changes.length === 0) return [];
  const { rows } = await database.query<RankChange>({
    name: 'count-ranks',
    text: RANKS,
    values: [
      changes.map(({ board }) => board.leaderboard),
      changes.map(({ board }) => board.season),
      changes.map(({ userId }) => toUuid('usr', userId)),
      changes.map(({ sort, score }) => sortKey(sort, score)),
      changes.map(({ achievedAt }) => achievedAt),
      changes.map(({ sort, previous }) => previous && sortKey(sort, previous.score)),
      changes.map(({ previous }) => previous?.achievedAt ?? null),
      Math.floor(COUNTED_AT_MOST / (2 * changes.length)),
    ],
  });
  return rows;
}

import type { BoardKey } from '../board-key.js';
import type { Queryable } from '../postgres/database.js';
import { timestampAt } from '../postgres/sql.js';
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
import type { Board, BoardReader, Page, Placement } from './projection.js';

/** The columns of the index that holds a board in its order, whichever way it sorts. */
const ORDER = '(s.sort_key, s.achieved_at, s.user_id)';
const ASCENDING = 's.sort_key, s.achieved_at, s.user_id';
const DESCENDING = 's.sort_key DESC, s.achieved_at DESC, s.user_id DESC';
/** Includes removed entries, which have no score: with any further condition the planner would not use the primary key. */
const ROWS = 'scores s WHERE s.leaderboard_id = $1 AND s.season = $2';
/** The condition is that of the index. */
const BOARD = `${ROWS} AND s.score IS NOT NULL`;
const FIRST_UUID = '00000000-0000-0000-0000-000000000000';

/**
 * The rank of the entry `of`, counted from the last mark before it: every thousandth entry of a season that is final has one.
 * There is no other way to know it but to count.
 */
export const rankOf = (of: string, leaderboard: string, season: string): string => `(
  SELECT coalesce(m.rank, 0) + (
    SELECT count(*) FROM scores s
    WHERE s.leaderboard_id = ${leaderboard} AND s.season = ${season} AND s.score IS NOT NULL
      AND ${ORDER} > (coalesce(m.sort_key, -9223372036854775808), coalesce(m.achieved_at, '-infinity'), coalesce(m.user_id, '${FIRST_UUID}'))
      AND ${ORDER} <= (${of}.sort_key, ${of}.achieved_at, ${of}.user_id))
  FROM (VALUES (1)) one LEFT JOIN LATERAL (
    SELECT * FROM season_marks k
    WHERE k.leaderboard_id = ${leaderboard} AND k.season = ${season}
      AND (k.sort_key, k.achieved_at, k.user_id) <= (${of}.sort_key, ${of}.achieved_at, ${of}.user_id)
    ORDER BY k.sort_key DESC, k.achieved_at DESC, k.user_id DESC LIMIT 1
  ) m ON true)`;
const RANK = rankOf('f', '$1', '$2');
/** A season that is final knows how many entries it has. */
const TOTAL = `(
  SELECT coalesce((SELECT entries FROM seasons WHERE leaderboard_id = $1 AND season = $2 AND state = 'final'),
                  (SELECT count(*) FROM ${BOARD})) AS total)`;

const TOP = `SELECT * FROM ${BOARD} ORDER BY ${ASCENDING} LIMIT $3`;
const AFTER = `
SELECT * FROM ${BOARD}
  AND ${ORDER} > ($4::bigint, ${timestampAt('$5::float8')}, $6::uuid)
ORDER BY ${ASCENDING} LIMIT $3`;
/** $3 the user, $4 how many above, $5 how many below. */
const WINDOW = `
SELECT near.* FROM (SELECT * FROM ${ROWS} AND s.user_id = $3) own, LATERAL (
  (SELECT * FROM ${BOARD} AND ${ORDER} < (own.sort_key, own.achieved_at, own.user_id) ORDER BY ${DESCENDING} LIMIT $4)
  UNION ALL
  (SELECT * FROM ${BOARD} AND ${ORDER} >= (own.sort_key, own.achieved_at, own.user_id) ORDER BY ${ASCENDING} LIMIT $5 + 1)
) near`;

/** Entries that follow one another: only the rank of the first is counted. */
const consecutive = (part: string): string => `
WITH part AS (${part}), first AS (SELECT * FROM part s ORDER BY ${ASCENDING} LIMIT 1)
SELECT board.total, s.user_id AS "userId", s.score, s.achieved_at AS "achievedAt",
       (SELECT ${RANK} FROM first f) - 1 + row_number() OVER (ORDER BY ${ASCENDING}) AS rank
FROM ${TOTAL} board LEFT JOIN part s ON true
ORDER BY ${ASCENDING}`;

const PAGE = consecutive(TOP);
const NEXT_PAGE = consecutive(AFTER);
const AROUND = consecutive(WINDOW);
const MANY = `
SELECT board.total, f.user_id AS "userId", f.score, f.achieved_at AS "achievedAt", ${RANK} AS rank
FROM ${TOTAL} board
LEFT JOIN (SELECT * FROM ${ROWS} AND s.user_id = ANY ($3::uuid[])) f ON true
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

type Row = { total: number } & (RankedEntry | { userId: null } | { userId: string; score: null });

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

  /** @param final what to call the state of a board that does not change any more */
  constructor(board: Board, database: Queryable, final: Pick<Page, 'epoch' | 'version'> | null = null) {
    this.#board = board;
    this.#database = database;
    this.#final = final;
  }

  page(limit: number, after?: Entry): Promise<Page> {
    if (after === undefined) return this.#read(PAGE, [limit]);
    const key = sortKey(this.#board.sort, after.score);
    return this.#read(NEXT_PAGE, [limit, key, after.achievedAt, toUuid('usr', after.userId)]);
  }

  async placement(userId: string): Promise<Placement | null> {
    const { total, entries } = await this.#read(AROUND, [toUuid('usr', userId), 1, 0]);
    const entry = entries.at(-1);
    return entry === undefined ? null : { total, entry, above: entries.at(-2) ?? null };
  }

  async around(userId: string, radius: number): Promise<Page | null> {
    const page = await this.#read(AROUND, [toUuid('usr', userId), radius, radius]);
    return page.entries.length === 0 ? null : page;
  }

  many(userIds: readonly string[]): Promise<Page> {
    return this.#read(MANY, [toUuids('usr', userIds)]);
  }

  async #read(text: string, values: unknown[]): Promise<Page> {
    const { leaderboard, season } = this.#board.key;
    const { rows } = await this.#database.query<Row>(text, [leaderboard, season, ...values]);
    const entries = rows.flatMap((row): RankedEntry[] =>
      row.userId === null || row.score === null
        ? []
        : [
            {
              rank: row.rank,
              userId: fromUuid('usr', row.userId),
              score: row.score,
              achievedAt: row.achievedAt,
            },
          ],
    );
    const position = this.#final ?? { epoch: this.#epoch, version: ++this.#version };
    return { ...position, total: rows[0]?.total ?? 0, entries };
  }
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

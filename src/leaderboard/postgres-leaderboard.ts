import type { Queryable } from '../postgres/database.js';
import { timestampAt } from '../postgres/sql.js';
import { newEpoch } from './epoch.js';
import {
  type BoardKey,
  type LeaderboardReader,
  type Page,
  type Placement,
  type RankedStanding,
  type Standing,
  sortKey,
} from './leaderboard.js';

/** The columns of the index that holds a board in its order, whichever way it sorts. */
const ORDER = '(s.sort_key, s.achieved_at, s.user_id)';
const ASCENDING = 's.sort_key, s.achieved_at, s.user_id';
const DESCENDING = 's.sort_key DESC, s.achieved_at DESC, s.user_id DESC';
/** Also of users who have left the board: their rows have no score. To find a user's row, nothing else may be asked of it. */
const ROWS = 'scores s WHERE s.leaderboard_id = $1 AND s.season = $2';
/** The condition is that of the index. */
const BOARD = `${ROWS} AND s.score IS NOT NULL`;
const RANK = `(SELECT count(*) FROM ${BOARD} AND ${ORDER} <= (f.sort_key, f.achieved_at, f.user_id))`;

const TOP = `SELECT * FROM ${BOARD} ORDER BY ${ASCENDING} LIMIT $3`;
const AFTER = `
SELECT * FROM ${BOARD}
  AND ${ORDER} > ($4::bigint, ${timestampAt('$5::float8')}, $6::text)
ORDER BY ${ASCENDING} LIMIT $3`;
/** $3 the user, $4 how many above, $5 how many below. */
const WINDOW = `
SELECT near.* FROM (SELECT * FROM ${ROWS} AND s.user_id = $3) own, LATERAL (
  (SELECT * FROM ${BOARD} AND ${ORDER} < (own.sort_key, own.achieved_at, own.user_id) ORDER BY ${DESCENDING} LIMIT $4)
  UNION ALL
  (SELECT * FROM ${BOARD} AND ${ORDER} >= (own.sort_key, own.achieved_at, own.user_id) ORDER BY ${ASCENDING} LIMIT $5 + 1)
) near`;

/** Entries that follow one another: only the first is counted, the others follow from it. */
const consecutive = (part: string): string => `
WITH part AS (${part}), first AS (SELECT * FROM part s ORDER BY ${ASCENDING} LIMIT 1)
SELECT board.total, s.user_id AS "userId", s.score, s.achieved_at AS "achievedAt",
       (SELECT ${RANK} FROM first f) - 1 + row_number() OVER (ORDER BY ${ASCENDING}) AS rank
FROM (SELECT count(*) AS total FROM ${BOARD}) board LEFT JOIN part s ON true
ORDER BY ${ASCENDING}`;

const PAGE = consecutive(TOP);
const NEXT_PAGE = consecutive(AFTER);
const AROUND = consecutive(WINDOW);
const MANY = `
SELECT board.total, f.user_id AS "userId", f.score, f.achieved_at AS "achievedAt", ${RANK} AS rank
FROM (SELECT count(*) AS total FROM ${BOARD}) board
LEFT JOIN (SELECT * FROM ${ROWS} AND s.user_id = ANY ($3::text[])) f ON true
ORDER BY rank`;

type Row = { total: number } & (RankedStanding | { userId: null } | { userId: string; score: null });

/**
 * A board read straight from PostgreSQL: always right, each read in one snapshot, but a rank costs a count of the entries
 * above it. It stands in while the projection is not ready.
 */
export class PostgresLeaderboard implements LeaderboardReader {
  readonly #key: BoardKey;
  readonly #database: Queryable;
  readonly #epoch = newEpoch();
  /** Nobody knows whether a board has changed since it was last read, so each read counts as newer. */
  #version = 0;

  constructor(key: BoardKey, database: Queryable) {
    this.#key = key;
    this.#database = database;
  }

  page(limit: number, after?: Standing): Promise<Page> {
    if (after === undefined) return this.#read(PAGE, [limit]);
    return this.#read(NEXT_PAGE, [limit, sortKey(this.#key, after.score), after.achievedAt, after.userId]);
  }

  async placement(userId: string): Promise<Placement | null> {
    const { total, standings } = await this.#read(AROUND, [userId, 1, 0]);
    const standing = standings.at(-1);
    return standing === undefined ? null : { total, standing, above: standings.at(-2) ?? null };
  }

  async around(userId: string, radius: number): Promise<Page | null> {
    const page = await this.#read(AROUND, [userId, radius, radius]);
    return page.standings.length === 0 ? null : page;
  }

  many(userIds: readonly string[]): Promise<Page> {
    return this.#read(MANY, [userIds]);
  }

  async #read(text: string, values: unknown[]): Promise<Page> {
    const { rows } = await this.#database.query<Row>(text, [this.#key.id, this.#key.season, ...values]);
    const standings = rows.flatMap((row): RankedStanding[] =>
      row.userId === null || row.score === null
        ? []
        : [{ rank: row.rank, userId: row.userId, score: row.score, achievedAt: row.achievedAt }],
    );
    return { epoch: this.#epoch, version: ++this.#version, total: rows[0]?.total ?? 0, standings };
  }
}
